"""A white sheet to draw on: wrapped texts, crops and bars. What the pictures of this program are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retclip.escaping import one_line

INK, GREY, PAPER = (25, 25, 30), (110, 110, 118), (255, 255, 255)
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font(size: int) -> Font:
    """Return Pillow's own scalable font."""
    return ImageFont.load_default(size)


def shortened(text: str, length: int) -> str:
    """Return the beginning and the end of a long name: photos of one folder differ at the end."""
    return text if len(text) <= length else f"{text[: length // 3]}...{text[len(text) - (length - length // 3 - 3) :]}"


class Sheet:
    """White paper of `width` x `height` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def pixels(self, height: int) -> NDArray[np.uint8]:
        """Return (height, W, 3) uint8: the sheet, cut or continued below."""
        return np.asarray(self._image.crop((0, 0, self._image.width, height)))

    def text(self, place: tuple[int, int], text: str, colour: Colour = INK, size: int = 13) -> None:
        """Draw one line of text, its upper left corner at `place`."""
        self._draw.text(place, one_line(text), colour, font(size))

    def paragraph(self, place: tuple[int, int], text: str, width: int, colour: Colour = INK, size: int = 13) -> int:
        """Draw text broken between words; return the y below it."""
        x, y = place
        for line in _broken(one_line(text), font(size), width):
            self._draw.text((x, y), line, colour, font(size))
            y += round(size * 1.3)
        return y

    def bar(self, place: tuple[int, int], share: float, length: int, colour: Colour) -> None:
        """Draw a bar of that share of `length`, 11 pixels high."""
        x, y = place
        self._draw.rectangle((x, y, x + int(length * min(share, 1.0)), y + 11), fill=colour)

    def picture(
        self, place: tuple[int, int], pixels: NDArray[np.uint8], room: tuple[int, int], edge: Colour, width: int = 3
    ) -> tuple[int, int]:
        """Draw a picture fitted into `room`, framed; return its (width, height) on the sheet."""
        scale = min(room[0] / pixels.shape[1], room[1] / pixels.shape[0])
        size = (max(1, int(pixels.shape[1] * scale)), max(1, int(pixels.shape[0] * scale)))
        fitted = Image.fromarray(pixels)
        if fitted.size != size:
            fitted = fitted.resize(size, Image.Resampling.LANCZOS)
        self._image.paste(fitted, place)
        x, y = place
        self._draw.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), outline=edge, width=width)
        return size

    def empty(self, place: tuple[int, int], room: tuple[int, int], text: str) -> None:
        """Draw a frame around a few words, in the place of a missing picture."""
        x, y = place
        self._draw.rectangle((x, y, x + room[0] - 1, y + room[1] - 1), outline=GREY)
        self._draw.text((x + 10, y + room[1] // 2 - 8), text, GREY, font(13))


def _broken(text: str, face: Font, width: int) -> list[str]:
    """Return lines of at most `width` pixels; a longer word stands alone."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
