"""The page of suspects: what it shows, that it shows nothing raw, and what it says to copy."""

from uuid import UUID

import pytest

from retclip.errors import ConfigError, DataError
from retclip.report.audit_page import write_audit_page
from retclip.store.records import ListedSegment
from retclip.workflows.audit.mislabels import Suspect


def segment(number=1, **values):
    plain = {
        "class_name": "cat", "dataset": "d", "image": "i.png", "image_uri": "/gone/i.png", "image_sha256": "0" * 64,
        "box": (0, 0, 4, 4), "label_source": "annotation", "state": "visible", "score": 1.0, "run": 1,
    }  # fmt: skip
    return ListedSegment(id=UUID(int=number), **{**plain, **values})


def page(tmp_path, *suspects):
    file = write_audit_page(tmp_path / "a.html", suspects, "wrong?", tmp_path / "my store", lambda ids: {})
    return file.read_text(encoding="utf-8")


def test_label_reason_neighbours_and_commands_stand_there(tmp_path):
    near = segment(2, class_name="dog", distance=0.125)
    text = page(tmp_path, Suspect(segment(trust=0.25, suggested="hot dog", note="why it is"), (near,)))
    assert "hot dog" in text and "trust 0.25" in text and "why it is" in text and "0.125" in text
    assert f"retclip relabel {UUID(int=1)} &#39;hot dog&#39; --store &#39;{tmp_path / 'my store'}&#39;" in text
    assert f"retclip quarantine {UUID(int=1)}" in text and text.count("photo not found") == 2
    assert "1 segment." in text and "label: annotation, mask of run 1; i.png of d" in text


def test_how_many_photos_are_not_shown_and_why_stands_there_once(tmp_path):
    near = segment(2, class_name="dog", image="j.png", distance=0.5)
    assert page(tmp_path, Suspect(segment(), (near, near))).count("2 of the photos are not where they had been") == 1
    assert "1 of the photos is not where it had been" in page(tmp_path, Suspect(segment(), ()))
    assert "of the photos" not in page(tmp_path)


def test_without_a_suggestion_there_is_no_relabelling(tmp_path):
    text = page(tmp_path, Suspect(segment(), ()))
    assert "retclip relabel" not in text and "retclip quarantine" in text
    assert "Nothing was found" in page(tmp_path)


def test_names_are_never_markup(tmp_path):
    text = page(tmp_path, Suspect(segment(class_name="<script>", suggested="<b>"), ()))
    assert "<script>" not in text and "<b>cat" not in text and "&lt;script&gt;" in text


def test_other_endings_and_other_peoples_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"\.html"):
        write_audit_page(tmp_path / "a.txt", [], "t", tmp_path, lambda ids: {})
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(ConfigError):
        write_audit_page(tmp_path / "mine.html", [], "t", tmp_path, lambda ids: {})
