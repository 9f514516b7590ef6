"""Yes and no, whoever wrote them."""

import pytest

from retclip.data.flags import as_flag


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
