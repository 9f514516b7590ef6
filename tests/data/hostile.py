"""Files that arrive in real photo folders and in attacks: damaged, hostile, or only odd.

`write_corpus(folder)` writes them all and returns (good, bad), two lists of paths in a fixed order:
  good  odd files that a reader of photos must decode: damaged EXIF, trailing bytes, strange names, animations, ...
  bad   files that must be refused with a typed error that names the file, quickly and in little memory, and without
        waiting: truncated, empty, bombs, absurd headers, NaN samples, pipes, folders, dangling links, ...
Nothing here imports retclip, so tests and benchmarks load this file by its path:

    spec = importlib.util.spec_from_file_location("hostile", ".../tests/data/hostile.py")
    hostile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hostile)

`GOOD`, `BAD` and `SPECIAL` (bad ones that are more than bytes) hold the single cases by file name. A process of
root may read anything, so `unreadable.jpg` is left out there. The largest file is sparse and takes no disk.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
SECOND = Image.fromarray(255 - PHOTO)  # copied for each use, as Pillow notes settings in what it saves


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def photo(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """A 32 x 24 photo of noise."""
    return saved(Image.fromarray(PHOTO).convert(mode), kind, **options)


def floats(value: float) -> bytes:
    """A TIFF of floats, one of them the value."""
    samples = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    samples[3, 3] = value
    return saved(Image.fromarray(samples), "TIFF")


def chunk(tag: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG file."""
    found = zlib.crc32(tag + data) if crc is None else crc
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", found)


def png(width: int, height: int, depth: int = 8, body: bytes | None = None, extra: bytes = b"") -> bytes:
    """A grey PNG by hand. body: its compressed rows, black unless given; extra: chunks before them."""
    rows = (b"\0" * (1 + (width * depth + 7) // 8)) * height if body is None else b""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows, 9) if body is None else body)
    return b"\x89PNG\r\n\x1a\n" + head + extra + data + chunk(b"IEND", b"")


def tiff(next_page: int = 0, **changes: int) -> bytes:
    """A grey 4 x 4 TIFF by hand. changes: t256=9 sets the value of tag 256; next_page: where the next page lies."""
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 122, 277: 1, 278: 4, 279: 16}
    tags |= {int(key[1:]): value for key, value in changes.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + struct.pack("<I", next_page) + bytes(range(16))


def bmp(width: int, height: int, bits: int = 24, header: int = 40) -> bytes:
    """A BMP by hand, with 48 bytes of pixels whatever its header says."""
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, 0, 48, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 102, 0, 0, 54) + info + bytes(range(48))


def patched(content: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return content[:at] + new + content[at + len(new) :]


JPEG, PNG = photo("JPEG"), photo("PNG")
SIZE = JPEG.index(b"\xff\xc0") + 5  # where a JPEG's height and width lie
ODD_NAMES = (
    "new\nline.jpg", "-rf.jpg", "spaces 'quotes' \"$(x)\" %s {0}.jpg", "猫 кот 🐈 e\u0301.jpg", "\u202egpj.exe.jpg",
    "n" * 240 + ".jpg", "\udcff not utf-8.jpg",
)  # fmt: skip

GOOD: dict[str, bytes] = {
    "plain.jpg": JPEG,
    "UPPER.JPEG": JPEG,
    "no_suffix": JPEG,
    "png_named.jpg": PNG,
    "progressive.jpg": photo("JPEG", progressive=True),
    "cmyk_garbage_profile.jpg": photo("JPEG", "CMYK", icc_profile=b"no profile at all"),
    "trailing_garbage.jpg": JPEG + bytes(range(256)) * 4,
    "trailing_garbage.png": PNG + b"garbage",
    "garbage_exif.jpg": photo("JPEG", exif=b"Exif\0\0garbage, and more of it"),
    "garbage_exif_grey.jpg": photo("JPEG", "L", exif=b"Exif\0\0garbage, and more of it"),
    "exif_beyond_the_end.jpg": photo("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "exif_of_65535_tags.jpg": photo("JPEG", "L", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0" * 20),
    "exif_orientation_99.jpg": photo(
        "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0c\0\0\0\0\0\0\0"
    ),
    "two_photos.mpo.jpg": photo("MPO", save_all=True, append_images=[SECOND.copy()]),
    "one_pixel.png": png(1, 1),
    "aspect_50.png": png(500, 10),
    "one_bit.png": png(9, 9, depth=1),
    "sixteen_bit.png": png(9, 9, depth=16),
    "unknown_chunk.png": png(9, 9, extra=chunk(b"xyZz", b"?" * 99)),
    "animated.png": photo("PNG", save_all=True, append_images=[SECOND.copy()]),
    "animated.webp": photo("WEBP", save_all=True, append_images=[SECOND.copy()]),
    "alpha.webp": photo("WEBP", "RGBA", lossless=True),
    "pages.tif": photo("TIFF", save_all=True, append_images=[SECOND.copy()]),
    "second_page_is_the_first.tif": tiff(next_page=8),
    "second_page_beyond_the_end.tif": tiff(next_page=0x7FFFFFFF),
    "second_page_is_garbage.tif": tiff(next_page=3),
    "top_down.bmp": bmp(4, -4),
    "gif.jpg": photo("GIF"),
    "pixmap.png": photo("PPM"),
    "camera.jfif": JPEG,
    "animated.gif": photo("GIF", save_all=True, append_images=[SECOND.copy()]),
    "satellite.jp2": photo("JPEG2000"),
    "still.avif": photo("AVIF"),
    **dict.fromkeys(ODD_NAMES, JPEG),
}

CUT = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")

BAD: dict[str, bytes] = {
    "empty.jpg": b"",
    "text.jpg": b"this is not a photo\n" * 50,
    "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "postscript.jpg": photo("EPS"),
    "phone.heic.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200,
    **{f"truncated.{kind}": photo(kind)[: len(photo(kind)) // 2] for kind in CUT},
    "header_only.jpg": JPEG[:SIZE],
    "start_and_end.jpg": b"\xff\xd8\xff\xd9",
    "huge_header.jpg": patched(JPEG, SIZE, b"\xff\xff\xff\xff"),
    "zero_size.jpg": patched(JPEG, SIZE, b"\0\0\0\0"),
    "bomb_60000.png": png(60000, 60000, body=zlib.compress(b"\0" * 100)),
    "bomb_2_to_31.png": png(2**31 - 1, 2**31 - 1, body=b""),
    "bomb_64_megapixels.png": png(8000, 8000, depth=1),
    "bomb_in_a_comment.png": png(9, 9, extra=chunk(b"zTXt", b"c\0\0" + zlib.compress(b"a" * (8 << 20)))),
    "one_row_of_65535.png": png(65535, 1),
    "side_16385.png": png(16385, 400, depth=1),
    "aspect_51.png": png(510, 10),
    "aspect_51_upright.png": png(10, 510),
    "zero_size.png": png(0, 0, body=b""),
    "bad_header_crc.png": patched(PNG, 29, b"\0\0\0\0"),
    "bad_data_crc.png": patched(PNG, PNG.index(b"IEND") - 8, b"\0\0\0\0"),
    "broken_zlib.png": png(9, 9, body=b"\x78\x9c" + b"\xff" * 40),
    "data_cut_and_closed.png": png(9, 9, body=zlib.compress(bytes(range(90)))[:50]),
    "no_data.png": PNG[:33] + chunk(b"IEND", b""),
    "depth_3.png": png(9, 9, depth=3),
    "negative_width.bmp": bmp(-4, 4),
    "huge_size.bmp": bmp(2**31 - 1, 2**31 - 1),
    "three_rows_missing.bmp": bmp(4, 7),
    "bits_13.bmp": bmp(4, 4, bits=13),
    "absurd_header.bmp": bmp(4, 4, header=0x7FFFFFFF),
    "page_beyond_the_end.tif": b"II*\0\xff\xff\xff\x7f" + b"\0" * 64,
    "tags_65535.tif": b"II*\0\x08\0\0\0\xff\xff" + b"\x00\x01\x04\0" * 30,
    "huge_size.tif": tiff(t256=2**31, t257=2**31),
    "zero_size.tif": tiff(t256=0, t257=0),
    "strip_beyond_the_end.tif": tiff(t273=2**31),
    "bits_1000.tif": tiff(t258=1000),
    "broken_deflate.tif": tiff(t259=8),
    "nan.tif": floats(float("nan")),
    "infinite.tif": floats(float("inf")),
    "empty_webp.webp": b"RIFF\x04\0\0\0WEBP",
    "webp_without_data.webp": b"RIFF\xff\xff\xff\x7fWEBPVP8 \xff\xff\xff\x7f",
    **{f"bad {name}": b"no photo" for name in ODD_NAMES},
}


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(JPEG)
        file.truncate((64 << 20) + 1)


def _unreadable(path: Path) -> None:
    path.write_bytes(JPEG)
    path.chmod(0)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "over_the_byte_limit.jpg": _sparse,
    "pipe.jpg": os.mkfifo,
    "folder.jpg": Path.mkdir,
    "dangling.jpg": lambda path: path.symlink_to("nowhere.jpg"),
    "loop.jpg": lambda path: path.symlink_to("loop.jpg"),
    "device.jpg": lambda path: path.symlink_to("/dev/zero"),
    **({"unreadable.jpg": _unreadable} if os.geteuid() else {}),
}


def write_corpus(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write every case into an empty folder, made where it is missing; (good, bad) as this file's head describes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (GOOD | BAD).items():
        (folder / name).write_bytes(content)
    for name, make in SPECIAL.items():
        make(folder / name)
    return [folder / name for name in GOOD], [folder / name for name in (*BAD, *SPECIAL)]
