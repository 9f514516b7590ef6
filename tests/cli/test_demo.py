"""The demo on a few scenes: the class is learned, the page is whole, and no folder of anybody's is emptied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from retclip.cli import demo
from retclip.errors import ConfigError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORED", 8)
    monkeypatch.setattr(demo, "SHOWN", 4)


def test_the_class_is_learned_and_the_page_is_whole(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    demo.demo(out, json=True)
    told = json.loads(capsys.readouterr().out)
    before, after = (
        next(row for row in told["table"] if (row["proposer"], row["store"]) == ("annotation", f"{when} adding boat"))
        for when in ("before", "after")
    )
    assert before["figures"][-1] == 0.0 and after["figures"][-1] > 50.0
    page = (out / "index.html").read_text(encoding="utf-8")
    linked = re.findall(r'src="([^"]+)"', page)
    assert len(linked) >= 6 and all((out / one).is_file() for one in linked)
    demo.demo(out)  # again: its own folder may be made anew


def test_a_folder_of_somebody_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="other files"):
        demo.demo(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
