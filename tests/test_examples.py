"""What lies in examples/ runs as it is, each in an empty folder, and does what it says."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image as Pillow

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "first_steps.ipynb"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs an example in an empty folder; what it printed."""

    def call(name: str, *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_every_example_is_tested() -> None:
    tested = set(re.findall(r"\w+\.(?:py|ipynb)", Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} <= tested


def test_a_photo_and_any_names(run, tmp_path: Path) -> None:
    told = run("segment_a_photo.py")
    assert re.search(r"^water: [\d.]+% of the photo, score 0\.\d\d$", told, re.MULTILINE) and "see out/overlay" in told
    (drawn,) = (tmp_path / "scenes").glob("*.png")
    Pillow.open(drawn).save(tmp_path / "mine.jpg")
    assert "of mine.jpg, 256 x 256" in run("segment_a_photo.py", "mine.jpg", "sea, sky")
    written = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    assert "sea" in [one["name"] for one in written["categories"]]


def test_a_photo_that_is_not_there_is_told(run) -> None:
    with pytest.raises(SystemExit, match=r"^error: expected .*nowhere\.jpg.*; got .*; "):
        run("segment_a_photo.py", "nowhere.jpg", "sky")


def test_a_class_is_added_and_taken_back(run, tmp_path: Path) -> None:
    told = run("add_a_class.py")
    lines = dict(line.split(": ", 1) for line in told.splitlines() if not line.startswith(" "))
    assert "umbrella" not in lines["before"] and "1 umbrella" in lines["after"]
    assert lines["undone"] == lines["before"] and lines["why"].startswith("umbrella, and so says the vote")
    seen = np.asarray(Pillow.open(tmp_path / "before_after.png"))
    assert not np.array_equal(seen[:, 256:512], seen[:, 512:])
    for name in ("before_after.png", "why.png"):
        kept, made = Pillow.open(ROOT / "docs" / "images" / name), Pillow.open(tmp_path / name)
        assert kept.size == made.size, f"{name} of the README is another one: make pictures"
        assert (ROOT / "docs" / "images" / name).stat().st_size < 300_000


def test_systems_are_compared(run) -> None:
    table = run("compare_presets.py", "1").splitlines()
    assert [line[:22].strip() for line in table[1:]] == [
        "FC-CLIP", "retrieval alone", "RetCLIP", "RetCLIP, superpixels",
    ]  # fmt: skip
    assert all(re.search(r"\d+\.\d +\d+\.\d", line[22:]) for line in table[1:])


def test_the_notebook_runs_from_above_to_below(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = [output.data["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert ["umbrella" in page for page in pages] == [False, True]
    assert any(output.data["text/plain"].startswith("<Explanation") for output in shown if "data" in output)
    assert [output.text for output in shown if output.output_type == "stream"][-1].startswith("PQ ")
    assert (tmp_path / "store").is_dir(), "it works in the folder that it is run in"


def test_the_notebook_is_kept_without_what_it_showed() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
