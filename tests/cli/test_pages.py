"""Every command of README and tutorial runs, in the order of the page and in one folder, as a newcomer types it.

The photos are drawn ones of few pixels. What is put behind a command, or is counted smaller, is written here; so is
what ends otherwise than with 0, and the few lines that other tests run.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import retclip
from retclip.data.panoptic_writer import PanopticWriter
from retclip.types import Image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    ((?:retclip|python|pip|make) .*)$", README, re.MULTILINE)
ELSEWHERE = {  # begins so -> the test that runs it
    "make demo": "tests/cli/test_demo.py",
    "make test": "tests/cli/test_pages.py",
    "pip ": "tests/test_wheels.py",
    "python -m retclip_miniature.train_clip": "plugins/miniature/tests/test_train_clip.py",  # here it takes an hour
}
SMALLER = {"count=300": "count=1&width=96&height=96", "--count 2000": "--count 1 --width 96 --height 96"}
STEP = {"steps": 1, "batch_size": 1, "crop": 64, "workers": 1}
BESIDE = {  # begins so -> what is put behind it
    "retclip finetune": ["--preset", "miniature-finetune", *(f"--set=finetune.{key}={STEP[key]}" for key in STEP)],
    "retclip segment photos/*.jpg --store street --classes names.txt": ["--set=fallback.source=label-maps:camvid"],
}
GATED = "retclip class add kayak kayaks/ --crops --thing --store street --check"
ENDS = {  # begins so -> exit code, and what is said
    "retclip store add-space": (6, "retclip weights pull"),
    "retclip store search --text": (2, "text tower"),  # an ImageNet network's
    "retclip store show": (3, "retclip store search"),  # an id of another store
    "retclip quarantine": (3, "retclip store search"),
    GATED: (8, "it was taken back"),  # the photos of kayaks show none
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the README supposes: photos of one's own, some of one thing each, and two data sets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETCLIP_DEVICE__NAME", "cpu")
    with retclip.open(missing_ok=True) as nothing:
        source = nothing.source(f"reference.scenes:{tmp_path / 'drawn'}?split=train&count=4&width=128&height=96")
        photos, classes = [one.load() for one in source.images()], source.classes()
    for name in ("photos", "cats", "lawns", "kayaks"):
        Path(name).mkdir()
        for number, photo in enumerate(photos[:2], start=1):
            Pillow.fromarray(photo.pixels).save(f"{name}/photo{number}.jpg")
    names = [one.name for one in classes]
    for split in ("", "train", "val"):
        _label_maps(Path("camvid") / split, photos[:3], names)
    kinds = [{"id": number, "name": one.name, "isthing": one.is_thing} for number, one in enumerate(classes)]
    Path("camvid/classes.json").write_text(json.dumps(kinds))
    writer = PanopticWriter(Path("coco"), classes, "panoptic_train2017")
    Path("coco/train2017").mkdir()
    for photo in photos[:2]:
        Pillow.fromarray(photo.pixels).save(Path("coco/train2017") / Path(photo.uri).name)
        writer.add(Path(photo.uri).stem, photo.truth, photo=Path(photo.uri).name)
    writer.close()
    Path("names.txt").write_text("sky\ngrass\nunicorn\n")
    return tmp_path


def _label_maps(root: Path, photos: Sequence[Image], names: Sequence[str]) -> None:
    """A byte per pixel: the number of its class, 255 = void."""
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for photo in photos:
        labels = np.full(photo.pixels.shape[:2], 255, np.uint8)
        for segment in photo.truth.segments:
            labels[photo.truth.label_map == segment.id] = names.index(segment.class_name)
        stem = Path(photo.uri).stem
        Pillow.fromarray(photo.pixels).save(root / "images" / f"{stem}.png")
        Pillow.fromarray(labels).save(root / "labels" / f"{stem}.png")


def test_the_commands_of_the_tutorial_run(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.findall(r"^```sh\n(.*?)^```", TUTORIAL, re.DOTALL | re.MULTILINE)
    lines = [line for block in shown for line in block.splitlines() if line.strip()]
    assert len(lines) > 8 and all(line.startswith("retclip ") for line in lines)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETCLIP_DEVICE__NAME", "cpu")
    for line in lines:
        ran = run(*shlex.split(line)[1:])
        assert ran.code == 0, line + "\n" + ran.err
        if line.startswith("retclip explain"):
            assert "made of" in ran.out or ": boat" in ran.out, ran.out
    assert (tmp_path / "why.png").stat().st_size > 10_000
    assert {one.name for one in (tmp_path / "out").iterdir()} >= {"overlay", "panoptic", "panoptic.json"}


def test_the_commands_of_the_readme_run(run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(LINES) > 25
    for line in LINES:
        if not line.startswith(tuple(ELSEWHERE)):
            for written, small in SMALLER.items():
                line = line.replace(written, small)
            command = [*shlex.split(line, comments=True), *_begun(line, BESIDE, [])]
            if command[0] == "python":
                monkeypatch.setattr(sys, "argv", command[2:])
                runpy.run_module(command[2], run_name="__main__")
                continue
            ran, (code, said) = run(*command[1:]), _begun(line, ENDS, (0, ""))
            assert ran.code == code, f"{line}\n{ran.err}"
            assert said in ran.err + ran.out and not re.search(r"Traceback|failures\.csv", ran.err), ran.err
    made = ("first/overlay", "found/panoptic.json", "out/photo1.evidence.npz", "worth.html", "run/weights.safetensors")
    assert [name for name in made if not (folder / name).exists()] == []


def _begun(line: str, table: dict, other: object) -> object:
    return next((value for begin, value in table.items() if line.startswith(begin)), other)


def test_what_is_run_elsewhere_is() -> None:
    for begin, where in ELSEWHERE.items():
        assert any(line.startswith(begin) for line in LINES), begin
        assert (ROOT / where).is_file(), where
