"""Photos of other colours than sRGB's are brought to it, by numbers computed from the profile's own definition."""

import io
import logging
import struct

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from retclip.data import colour_profile
from retclip.data.colour_profile import in_srgb
from retclip.data.images import decode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DISPLAY_P3 = {  # the primaries as its profile states them, by columns of X, Y, Z for D50
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
RAMP = np.stack(np.meshgrid(*[np.arange(0, 256, 51, np.uint8)] * 3), -1).reshape(12, 18, 3)


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def with_tags(profile, tags):
    """The profile with other contents, of the same length, in some of its tags."""
    changed = bytearray(profile)
    for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        name, begin, _ = struct.unpack(">4sII", profile[at : at + 12])
        if name in tags:
            changed[begin + 8 : begin + 8 + len(tags[name])] = tags[name]
    return bytes(changed)


def xyz(*numbers):
    return struct.pack(">3i", *(round(number * 65536) for number in numbers))


P3 = with_tags(SRGB, {name: xyz(*numbers) for name, numbers in DISPLAY_P3.items()})


def columns(profile):
    """The matrix (3, 3) from linear RGB to XYZ that a profile states."""
    rows = []
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        at = profile.index(name, 132)
        begin = struct.unpack(">I", profile[at + 4 : at + 8])[0]
        rows.append(np.array(struct.unpack(">3i", profile[begin + 8 : begin + 20])) / 65536)
    return np.stack(rows, 1)


def by_definition(pixels):
    """What P3's numbers are in sRGB: both have the same curve."""
    value = pixels / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ (np.linalg.inv(columns(SRGB)) @ columns(P3)).T, 0, 1)
    return np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_photo_of_display_p3_is_what_the_profile_defines(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(saved(Pillow.fromarray(RAMP), kind, icc_profile=P3, **options), "photo").pixels
    assert np.abs(found - by_definition(RAMP)).max() <= 1.5
    assert np.abs(found.astype(int) - RAMP).max() > 40


def test_transparency_and_a_palette_keep_the_profile():
    layer = Pillow.fromarray(np.dstack([RAMP, np.full(RAMP.shape[:2], 255, np.uint8)]))
    plain = decode(saved(Pillow.fromarray(RAMP), icc_profile=P3), "photo").pixels
    assert np.array_equal(decode(saved(layer, icc_profile=P3), "photo").pixels, plain)
    palette = Pillow.fromarray(np.arange(216, dtype=np.uint8).reshape(12, 18), mode="P")
    palette.putpalette(RAMP.reshape(-1).tolist())
    assert np.array_equal(decode(saved(palette, icc_profile=P3), "photo").pixels, plain)


def test_a_profile_of_srgb_changes_and_copies_nothing():
    other_name = with_tags(SRGB, {b"cprt": b"\0\0\0\0"})
    photo = Pillow.fromarray(RAMP)
    assert all(in_srgb(photo, profile) is photo for profile in (None, SRGB, other_name))


def test_a_profile_of_grey_is_used():
    gamma = struct.pack(">4sIIH", b"curv", 0, 1, round(1.0 * 256)).ljust(16, b"\0")  # linear: 128 is half of the light
    grey = bytearray(SRGB[:128])
    grey[16:20] = b"GRAY"
    white = b"XYZ \0\0\0\0" + xyz(0.9642, 1.0, 0.8249)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(gamma))
    profile = bytes(grey) + table + white + gamma
    profile = struct.pack(">I", len(profile)) + profile[4:]
    found = decode(saved(Pillow.new("L", (4, 4), 128), icc_profile=profile), "photo").pixels
    assert np.abs(found.astype(int) - 188).max() <= 1  # 255 (1.055 (128 / 255) ** (1 / 2.4) - 0.055)


def test_cmyk_goes_through_its_colour_profile(monkeypatch):
    # no CMYK profile is small or free enough to ship with a test, so the colour engine is replaced
    monkeypatch.setattr(ImageCms, "buildTransform", lambda source, target, mode, out: (mode, out))
    monkeypatch.setattr(ImageCms, "applyTransform", lambda image, made: Pillow.new(made[1], image.size, (1, 2, 3)))
    colour_profile._transform.cache_clear()
    found = decode(saved(Pillow.new("CMYK", (4, 4)), "TIFF", icc_profile=SRGB), "photo").pixels
    colour_profile._transform.cache_clear()
    assert (found == (1, 2, 3)).all()


def test_a_profile_that_cannot_be_used_is_said_once_and_left_out(caplog):
    broken = b"no profile" * 20
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert np.array_equal(decode(saved(Pillow.fromarray(RAMP), icc_profile=broken), "photo").pixels, RAMP)
        grey = decode(saved(Pillow.fromarray(RAMP[..., 0]), icc_profile=SRGB), "photo").pixels  # a profile of RGB
    assert np.array_equal(grey[..., 1], RAMP[..., 0])
    assert sum("profile cannot be used" in record.message for record in caplog.records) == 2
