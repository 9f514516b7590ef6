"""Yes and no, whoever wrote them."""

import pytest

from retclip.data.flags import as_flag, as_whole


@pytest.mark.parametrize("value", [True, 1, 1.0, "1", "true", " True ", "YES", "y", "on", "1.0", "positive", "+"])
def test_yes(value):
    assert as_flag(value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "0", "false", "False", "no", " N ", "off", "0.0", "negative", "-"])
def test_no(value):
    assert as_flag(value) is False


@pytest.mark.parametrize("value", ["", "maybe", "2", 2, -1, None, [], [1], {}, float("nan"), float("inf")])
def test_neither(value):
    with pytest.raises(ValueError, match="neither yes nor no"):
        as_flag(value)


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7 "])
def test_whole_numbers(value):
    assert as_whole(value) == 7


@pytest.mark.parametrize("value", [7.5, "7.5", True, None, "", [7], float("nan"), float("inf")])
def test_no_whole_numbers(value):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        as_whole(value)
