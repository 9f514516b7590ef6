"""What a file may unpack to: one value for the process, set where the settings are applied."""

import numpy as np
import pytest

from retclip import limits
from retclip.config import load
from retclip.data.images import decode, png_bytes
from retclip.errors import DataError
from retclip.limits import MIB, Limits, shown
from retclip.session import Components


@pytest.fixture(autouse=True)
def as_before():
    before = limits.current()
    yield
    limits.use(before)


def test_the_settings_have_the_same_defaults():
    assert load().limits.limits == Limits()


def test_the_limits_of_the_settings_hold_once_components_are_made():
    chosen = load(None, {"limits": {"image_pixels": 99, "file_mib": 3, "text_kib": 2, "unpacked_mib": 5}})
    Components(chosen)
    assert limits.current() == Limits(image_pixels=99, file_bytes=3 * MIB, text_bytes=2048, unpacked_bytes=5 * MIB)
    with pytest.raises(DataError, match=r"limits\.image_pixels"):
        decode(png_bytes(np.zeros((10, 10, 3), np.uint8)), "a.png")
    with pytest.raises(DataError, match=r"3 MiB .*limits\.file_mib"):
        decode(b"\0" * (3 * MIB + 1), "b.png")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (64 * MIB, "64 MiB"), (3 << 30, "3 GiB")],
)
def test_sizes_as_people_read_them(size, text):
    assert shown(size) == text
