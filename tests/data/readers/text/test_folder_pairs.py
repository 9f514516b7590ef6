"""A photo and a text beside it: pairs by name in every folder, and what has no partner is told."""

import pytest

from retclip import limits
from retclip.data.readers.text.folder_pairs import folder_pairs, holds_pairs
from retclip.data.readers.text.image_text import ImageText, ImageTextSettings
from retclip.data.readers.text.pairs import BadPair
from retclip.errors import DataError


@pytest.fixture
def folder(tmp_path, png):
    for name, text in (("b", "a fox\nan owl\n"), ("below/b", "\ufeffan elk\r\n"), ("below/deep/e\u0301", "an owl")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.PNG").write_bytes(png(len(name)))
        (tmp_path / name.replace("e\u0301", "\u00e9")).with_suffix(".txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_photos_and_texts_of_one_name_are_pairs_in_every_folder(folder, told):
    found = list(folder_pairs(folder))
    assert told(found) == [
        ("b.PNG", "a fox", "an owl"),
        ("below/b.PNG", "an elk"),
        ("below/deep/e\u0301.PNG", "an owl"),
    ]
    assert holds_pairs(folder) and found[1].uri == str(folder / "below/b.PNG") and found[1].read is None


def test_what_has_no_partner_or_two_costs_itself(folder, png, told):
    (folder / "alone.png").write_bytes(png(1))
    (folder / "below" / "lost.txt").write_text("a fox")
    (folder / "b.jpg").write_bytes(png(2))
    (folder / "._x.txt").write_bytes(b"\xff")
    (folder / "below" / "b.txt").write_bytes(b"\xff")
    found = list(folder_pairs(folder))
    assert told(one for one in found if not isinstance(one, BadPair)) == [("below/deep/e\u0301.PNG", "an owl")]
    bad = {one.where.split(" of ")[0]: one.error.got for one in found if isinstance(one, BadPair)}
    assert bad.keys() == {"alone.png", "b.PNG", "b.jpg", "below/b.PNG", "below/lost.txt"}
    assert bad["b.jpg"] == "b.PNG, b.jpg, b.txt" and bad["alone.png"] == "alone.png" and "utf-8" in bad["below/b.PNG"]


def test_a_text_longer_than_allowed_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(limits, "_current", limits.Limits(text_bytes=12))
    first, *rest = folder_pairs(folder)
    assert "at most 12 bytes" in first.error.expected and not any(isinstance(one, BadPair) for one in rest)


def test_a_source_of_pairs_in_folders(folder, png):
    (folder / "alone.png").write_bytes(png(1))
    source = ImageText(ImageTextSettings(path=str(folder), vocabulary="fox, owl, elk"))
    shown = {one.external_id.split("/", 1)[1]: one.class_names for one in source.images()}
    assert shown == {"b.PNG": ("fox", "owl"), "below/b.PNG": ("elk",), "below/deep/e\u0301.PNG": ("owl",)}
    assert all(one.load().size == (4, 6) for one in source.images()) and len(source) == 3
    assert [part.record for part in source.passed_over().bad] == [f"alone.png of {folder}"]


def test_photos_beside_other_texts_are_no_pairs(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "readme.txt").write_text("a fox")
    assert not holds_pairs(tmp_path)
    with pytest.raises(DataError, match=r"or photos with a \.txt beside them"):
        ImageText(ImageTextSettings(path=str(tmp_path), vocabulary="fox"))
