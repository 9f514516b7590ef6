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
    table = {row["system"]: row for row in told["table"]}
    assert list(table) == ["FC-CLIP", "retrieval alone", "RetCLIP"]
    assert all(0 < row["pq"] <= row["sq"] <= 100 and 0 < row["miou"] <= 100 for row in table.values())
    page = (out / "index.html").read_text(encoding="utf-8")
    linked = re.findall(r'src="([^"]+)"', page)
    assert len(linked) >= 9 and all((out / one).is_file() for one in linked)
    demo.demo(out)  # again: its own folder may be made anew


def test_a_folder_of_somebody_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="other files"):
        demo.demo(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
