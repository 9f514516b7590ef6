"""What a file may unpack to: one value for the process, set where the settings are applied."""

import pytest

from retclip import limits
from retclip.components import Components
from retclip.config import load
from retclip.limits import MIB, ImageLimits, Limits, shown
from retclip.opening import plugins_of


@pytest.fixture(autouse=True)
def as_before():
    before = limits.current()
    yield
    limits.use(before)


def test_the_settings_have_the_same_defaults():
    assert load().limits.limits == Limits()


def test_the_limits_of_the_settings_hold_once_components_are_made():
    chosen = load(None, {"limits": {"image_pixels": 99, "file_mib": 3, "text_kib": 2, "unpacked_mib": 5}})
    Components(chosen, plugins_of(chosen))
    assert limits.current() == Limits(image_pixels=99, file_bytes=3 * MIB, text_bytes=2048, unpacked_bytes=5 * MIB)
    assert (ImageLimits().pixels, ImageLimits().file_bytes) == (99, 3 * MIB)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (64 * MIB, "64 MiB"), (3 << 30, "3 GiB")],
)
def test_sizes_as_people_read_them(size, text):
    assert shown(size) == text
