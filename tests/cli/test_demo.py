"""The demo on a few scenes: the class is learned, the page is whole, and no folder of anybody's is emptied."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retclip.cli import demo, demo_photos
from retclip.errors import ConfigError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORED", 8)
    monkeypatch.setattr(demo, "SHOWN", 4)
    monkeypatch.setattr(demo_photos, "ALONE", {"dogs.jpg": "dog, cat"})
    monkeypatch.setattr(demo_photos, "NAMES", {"stop_sign.jpg": "street sign, car, road, tree, sky"})


def test_the_class_is_learned_and_the_page_is_whole(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    demo.demo(out, json=True)
    told = json.loads(capsys.readouterr().out)
    table = {row["system"]: row for row in told["table"]}
    assert list(table) == ["FC-CLIP", "retrieval alone", "RetCLIP"]
    assert all(0 < row["pq"] <= row["sq"] <= 100 and 0 < row["miou"] <= 100 for row in table.values())
    page = html.unescape((out / "index.html").read_text(encoding="utf-8"))
    linked = re.findall(r'src="([^"]+)"', page)
    assert len(linked) >= 9 and all((out / one).is_file() for one in linked)
    assert told["comparison"] in page and told["addition"] in page
    assert len(linked) == len(set(linked)), "no picture stands for another"
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", page)
    real, captions = captions[: captions.index("photo")], captions[captions.index("photo") :]
    alone, starter, before, after = real  # of real photos: names alone, with the starter memory, a class added
    assert alone.startswith("dogs, asked for dog, cat: ") and " dog, " in alone.partition(": ")[2]
    assert all(re.search(rf"starter memory: .*{name} \d+ %, .*\d+ % labelled", starter) for name in ("road", "tree"))
    assert "wood" not in before and re.search(r"wood \d+ %", after)
    assert captions[:5] == ["photo", "annotation", "FC-CLIP", "retrieval alone", "RetCLIP"]
    assert captions.count("photo") == captions.count("annotation") == len(re.findall("<h3>", page))
    assert not [one for one in captions if "_" in one], "no names of files"


def test_the_commands_that_it_proposes_run(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Callable[..., Any]
) -> None:
    out = tmp_path / "demo"
    demo.demo(out)
    printed = [line.strip() for line in capsys.readouterr().err.splitlines() if line.startswith("  retclip ")]
    own = [line for line in printed if str(out) in line]
    assert [line.split()[1] for line in own] == ["class", "segment", "explain", "undo"]
    for line in own:
        assert run(*shlex.split(line)[1:]).code == 0, line
        assert line in html.unescape((out / "index.html").read_text(encoding="utf-8"))
    (out / "notes.txt").write_text("mine")
    demo.demo(out)  # again: what a demo made is made anew, what others put there stays
    assert (out / "notes.txt").read_text() == "mine" and (out / "found" / "panoptic.json").is_file()
    assert "retclip undo" in (out / "index.html").read_text(encoding="utf-8")


def test_a_folder_of_somebody_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"demo; got .*thesis\.tex; choose a new folder with --out"):
        demo.demo(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
