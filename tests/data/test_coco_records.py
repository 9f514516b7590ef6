"""What every COCO JSON holds: names that stay inside, the first place that is there."""

import pytest

from retclip.data.coco_records import as_text, first_of, stay_inside
from retclip.errors import DataError


@pytest.mark.parametrize("name", ["../a.png", "a/../../b", "/etc/passwd", "a\0.png"])
def test_a_name_that_leads_out_is_refused(name):
    with pytest.raises(DataError, match="image 3"):
        stay_inside(name, "image 3")
    stay_inside("a/b.png", "image 3")


def test_the_first_place_that_is_there(tmp_path):
    (tmp_path / "b").touch()
    assert first_of([tmp_path / "a", tmp_path / "b"], "it") == tmp_path / "b"
    with pytest.raises(DataError, match="none of them"):
        first_of([tmp_path / "a"], "it")


@pytest.mark.parametrize("value", [None, 5, "", ["a"]])
def test_only_text_is_text(value):
    assert as_text("a") == "a"
    with pytest.raises(TypeError):
        as_text(value)
