"""Pages are filled whole, and what comes from outside cannot become markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from retclip.report.html_page import write_page

VALUES = {
    "stored": 5, "stored_images": 2, "scenes": 1, "added": "<b>boat</b>", "added_pictures": 3, "added_segments": 3,
    "added_seconds": "0.1", "before_after": {"title": "", "pictures": []}, "table": [], "compared": [], "gallery": [],
    "explanation": "e.png", "seconds": 1, "comparison": "", "addition": "", "why": "", "columns": {}, "best": {},
    "next": [],
}  # fmt: skip


def test_values_are_escaped(tmp_path: Path) -> None:
    write_page(tmp_path / "deep" / "index.html", "demo.html", VALUES)
    page = (tmp_path / "deep" / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;boat" in page and "<b>boat" not in page


def test_what_is_harmful_is_shown_and_lines_stay(tmp_path: Path) -> None:
    hostile = {"added": "a\x1b[31m\u202egnp", "seconds": "caf\udce9\nb"}
    write_page(tmp_path / "index.html", "demo.html", {**VALUES, **hostile})
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "a\\x1b[31m\\u202egnp" in page and "caf\\udce9\nb" in page


def test_a_value_that_is_missing_is_an_error_and_no_gap(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="seconds"):
        write_page(tmp_path / "index.html", "demo.html", {key: VALUES[key] for key in VALUES if key != "seconds"})
