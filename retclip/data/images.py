"""Photos: decoded once, upright, RGB, with the sha256 of the file as identity. Hostile files are refused by name.

Rules (stores.md 5.3): an allow-list of formats; size, side and aspect limits read from the header before any pixel is
decoded; truncated files refused; 16-bit and float images scaled by range, not clipped; others brought to sRGB through
their colour profile where they have one; transparency composited on white; the first frame of an animation or a
multi-page file.
"""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, PngImagePlugin, UnidentifiedImageError, features
from PIL import Image as Pillow

from retclip.data.colour_profile import CHANNELS, in_srgb
from retclip.data.file_bytes import ReadOnce, image_bytes, refused
from retclip.data.file_memory import remembered
from retclip.data.jpeg_end import is_cut
from retclip.data.orientation import turned
from retclip.data.rgb_png import png_size, rgb_samples
from retclip.data.sample_depth import eight_bit
from retclip.errors import DataError
from retclip.limits import Limits, check_size, current
from retclip.own_files import PROGRAM, written_whole
from retclip.types import Image

ENDINGS = {  # of the files of each format that is read, as far as this Pillow was built with it
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "PNG": (".png", ".apng"), "WEBP": (".webp",), "BMP": (".bmp",),
    "DIB": (".dib",), "TIFF": (".tif", ".tiff"), "GIF": (".gif",), "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    **({"AVIF": (".avif",)} if features.check("avif") else {}),
    **({"JPEG2000": (".jp2",)} if features.check("jpg_2000") else {}),
}  # fmt: skip
FORMATS = tuple(ENDINGS)
SUFFIXES = frozenset(ending for endings in ENDINGS.values() for ending in endings)
PHOTO_LEVEL, DRAWING_LEVEL = 3, 6  # of zlib: a photo of 640 x 480 takes 27 instead of 67 ms and no more room
log = logging.getLogger(__name__)


def read_image(file: Path | ReadOnce, limits: Limits | None = None) -> Image:
    """Decode a file, whose bytes are held no longer then. Raises DataError, naming the file, for anything that is no
    well-formed photo within the limits.
    """
    limits = limits or current()
    content = file.taken() if isinstance(file, ReadOnce) else image_bytes(file, limits)
    return decode(content, str(file), limits)


def file_digest(file: Path | ReadOnce) -> str:
    """Return the sha256 of a file's bytes, the photo's identity: recalled where the file is known, else read. Raises
    DataError.
    """
    once = file if isinstance(file, ReadOnce) else ReadOnce(file)
    return remembered(once, "sha256", lambda: hashlib.sha256(once.content).hexdigest())


def decode(content: bytes, uri: str, limits: Limits | None = None) -> Image:
    """Decode a file's bytes. Raises DataError."""
    limits = limits or current()
    check_size(len(content), limits.file_bytes, f"an image file: {uri}", "limits.file_mib")
    pixels, orientation = _pixels(content, uri, limits)
    return Image(pixels, hashlib.sha256(content).hexdigest(), uri, orientation=orientation)


def from_array(pixels: Any, uri: str = "array") -> Image:
    """Return an array or a Pillow image as an Image; its identity is the sha256 of its pixels.

    An (H, W, 3) uint8 RGB array, an (H, W) grey one, or a Pillow image, which is turned upright.
    """
    if isinstance(pixels, Pillow.Image):
        uri = str(getattr(pixels, "filename", "") or "Pillow image")
        pixels, _ = _upright(pixels, uri)
    array = np.asarray(pixels)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise DataError("an (H, W, 3) uint8 RGB array", f"{array.dtype} {array.shape}", "convert it first")
    array = np.ascontiguousarray(array)
    identity = hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()
    return Image(array, identity, uri)


def read_png(path: Path | ReadOnce) -> NDArray[np.uint8]:
    """Return the raw samples of a label PNG, (H, W) or (H, W, c) uint8, palette indices kept. Raises DataError."""
    content = _content(path)
    size = png_size(content)
    if size is not None:
        _check_size(size, str(path), current())
        if (samples := rgb_samples(content, size)) is not None:
            return samples
    with _pillow(content, str(path), current(), ("PNG",)) as image:
        depth = content[24]  # of the header; Pillow stretches 2- and 4-bit grey to 0..255 and halves 16-bit colour
        if image.mode not in ("L", "P", "RGB", "RGBA", "1") or (depth not in (1, 8) and image.mode != "P"):
            got = f"mode {image.mode}, {depth} bits"
            raise refused(str(path), got, "8-bit labels", "save labels as 8-bit grey, palette or RGB")
        return np.asarray(image, dtype=np.uint8)


def read_deep_png(path: Path | ReadOnce) -> NDArray[np.int32]:
    """Return the raw samples of a grey label PNG of 8 or 16 bits, (H, W) int32. Raises DataError."""
    content = _content(path)
    with _pillow(content, str(path), current(), ("PNG",)) as image:
        depth = content[24]  # of the header; fewer bits Pillow stretches to 0..255
        if image.mode not in ("L", "I", "I;16") or depth not in (8, 16):
            got = f"mode {image.mode}, {depth} bits"
            raise refused(str(path), got, "grey labels of 8 or 16 bits", "save labels as grey")
        return np.asarray(image).astype(np.int32)


def _content(file: Path | ReadOnce) -> bytes:
    return file.content if isinstance(file, ReadOnce) else image_bytes(file)


def write_png(path: Path, pixels: NDArray[np.uint8], is_photo: bool = False) -> None:
    """Write (H, W) or (H, W, 3) uint8 as PNG that says who wrote it; whole or not at all. Raises DataError where it
    cannot be written.

    is_photo: what is photographed, not drawn, is packed as well in less than half the time.
    """
    level = PHOTO_LEVEL if is_photo else DRAWING_LEVEL
    make_folder(path.parent)
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", PROGRAM)
    try:
        with written_whole(path) as temporary:
            Pillow.fromarray(pixels).save(temporary, format="PNG", pnginfo=about, compress_level=level)
    except OSError as error:
        raise DataError(f"a file that can be written: {path}", str(error), "choose another place, make room") from error


def make_folder(folder: Path) -> None:
    """Return a folder for results, made with those above it. Raises DataError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"a folder for results: {folder}", str(error), "choose another with --out") from error


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def resized(pixels: NDArray[np.uint8], size: tuple[int, int], bicubic: bool = False) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 brought to `size` (H, W): bilinear or bicubic, smoothed where it shrinks."""
    if pixels.shape[:2] == size:
        return pixels
    kernel = Pillow.Resampling.BICUBIC if bicubic else Pillow.Resampling.BILINEAR
    return np.asarray(Pillow.fromarray(pixels).resize((size[1], size[0]), kernel), dtype=np.uint8)


def fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) with its longer side brought to `side` pixels; a small one is enlarged."""
    scale = side / max(pixels.shape[:2])
    return resized(pixels, (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))))


def _pixels(content: bytes, uri: str, limits: Limits) -> tuple[NDArray[np.uint8], int]:
    """The upright pixels, and the EXIF orientation that says how the file's own were turned for it."""
    with _pillow(content, uri, limits, FORMATS) as image:
        if getattr(image, "is_animated", False):  # counting a TIFF's pages would walk them all, damaged ones too
            log.info("%s has several frames; the first is used", uri)
        if image.format == "JPEG" and is_cut(content, image):
            raise refused(uri, "data that end before the picture does", "a whole photo", "copy or export it again")
        pixels, orientation = _upright(image, uri)
        return pixels, _tiff_orientation(content) if image.format == "TIFF" else orientation


def _upright(image: Pillow.Image, uri: str) -> tuple[NDArray[np.uint8], int]:
    try:
        converted, orientation = _rgb(image, uri), _orientation(image)
        upright = turned(np.asarray(converted, dtype=np.uint8), orientation)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise refused(uri, f"{type(error).__name__}: {error}", "a whole photo", "copy or export it again") from error
    return np.ascontiguousarray(upright), orientation


def _pillow(content: bytes, uri: str, limits: Limits, formats: tuple[str, ...]) -> Pillow.Image:
    """The image with its pixels decoded, after header checks."""
    try:
        if Pillow.MAX_IMAGE_PIXELS is not None:  # Pillow's own limit must not undercut one that was raised
            Pillow.MAX_IMAGE_PIXELS = max(Pillow.MAX_IMAGE_PIXELS, limits.image_pixels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, where our own limit is tighter, and of damaged tags
            image = Pillow.open(io.BytesIO(content), formats=formats)
            _check_size(image.size, uri, limits)
            if image.format == "PNG":  # load() passes over the checksums of the pixels
                Pillow.open(io.BytesIO(content), formats=formats).verify()
            image.load()
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise refused(uri, "none of these formats", ", ".join(formats), "convert it, or leave it out") from error
    except Pillow.DecompressionBombError as error:  # from the header, far above our own limit
        todo = "make the photo smaller, or raise limits.image_pixels and image_side"
        raise refused(uri, str(error), f"at most {limits.image_pixels / 1e6:g} megapixels", todo) from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise refused(uri, f"{type(error).__name__}: {error}", "a whole photo", "copy or export it again") from error
    return image


def _check_size(size: tuple[int, int], uri: str, limits: Limits) -> None:
    width, height = size
    shown = f"{width} x {height} pixels"
    if width * height > limits.image_pixels or max(size) > limits.image_side:
        allowed = f"at most {limits.image_pixels / 1e6:g} megapixels and {limits.image_side} a side"
        raise refused(uri, shown, allowed, "make the photo smaller, or raise limits.image_pixels and image_side")
    if max(size) > limits.image_aspect * min(size):
        todo = "crop the photo, or raise limits.image_aspect"
        raise refused(uri, shown, f"an aspect of at most {limits.image_aspect:g}", todo)


def _rgb(image: Pillow.Image, uri: str) -> Pillow.Image:
    if image.mode.startswith("I") or image.mode == "F":
        samples = np.asarray(image)
        if image.mode == "I;16" and getattr(image, "tag_v2", {}).get(ExifTags.Base.PhotometricInterpretation) == 0:
            samples = 65535 - samples  # a TIFF in which 0 is white, which Pillow turns round at 8 bits only
        return Pillow.fromarray(eight_bit(samples, uri)).convert("RGB")
    profile = image.info.get("icc_profile")
    if "A" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", layer.size, (255, 255, 255, 255)), layer)
    return in_srgb(image if image.mode in CHANNELS else image.convert("RGB"), profile)


def _orientation(image: Pillow.Image) -> int:
    """The EXIF orientation of the file, 1 to 8; 1, as it lies, where it says none or its EXIF data are damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            return int(orientation) if orientation in range(1, 9) else 1
    except Exception:  # Pillow's parser raises many kinds, and none makes the photo unreadable
        log.warning("damaged EXIF data; the photo is taken as it lies")
        return 1


def _tiff_orientation(content: bytes) -> int:
    """The orientation of a TIFF: Pillow turns its pixels while it decodes them, and takes the tag out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Pillow.open(io.BytesIO(content), formats=("TIFF",)) as undecoded:
            return _orientation(undecoded)
