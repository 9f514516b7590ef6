"""What a record of a file of pairs may hold: a name inside the folder, a text or several."""

import pytest

from retclip.data.readers.text.pairs import BadPair, named_pair, texts_of, tried

TEXTS = [
    ("a fox", ("a fox",)), ("", ("",)), (["a", None, "b"], ("a", "b")), ([], ()), (5, None), ([5], None), (None, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "texts"), TEXTS)
def test_a_text_or_a_list_of_texts(text, texts):
    assert texts_of(text) == texts


NAMES = ["", " ", None, 5, "/a.png", "../a.png", "http://x/a.png", "a\0.png", "x\\..\\..\\a.png"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_or_leads_out_is_a_bad_record(tmp_path, name):
    found = tried("row 3", lambda: named_pair(tmp_path / "a.csv", name, "fox", 3))
    assert isinstance(found, BadPair) and found.where == "row 3" and "row 3 of" in str(found.error)


def test_what_is_no_data_error_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        tried("row 1", lambda: 1 / 0)
