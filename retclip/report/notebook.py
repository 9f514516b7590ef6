"""A result as notebooks show it: a small picture, and a piece of HTML with a row for each class."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retclip.data.images import fitted, png_bytes
from retclip.report.html_page import filled
from retclip.report.palette import class_colours, css_colour
from retclip.report.result_summary import class_shares, labelled_share, percent

if TYPE_CHECKING:
    from retclip.result import SegmentationResult

SIDE = 800  # longer side of a picture in pixels: a notebook keeps all that it shows


def small_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 as PNG, its longer side brought to at most SIDE."""
    return png_bytes(fitted(pixels, min(SIDE, max(pixels.shape[:2]))))


def result_html(result: SegmentationResult) -> str:
    """Return the overlay, and for each class its colour, number of segments, share of the photo and best score."""
    shares = class_shares(result.panoptic)
    colours = class_colours([*result.evidence.vocabulary.without_rest.names, *(each.name for each in shares)])
    best: dict[str, float] = {}
    for segment in result.segments:
        best[segment.class_name] = max(segment.score, best.get(segment.class_name, 0.0))
    rows = [
        {"name": each.name, "colour": css_colour(colours[each.name]), "count": each.segments,
         "share": percent(each.share), "score": best[each.name]}
        for each in shares
    ]  # fmt: skip
    picture = base64.b64encode(small_png(result.overlay(legend=False))).decode("ascii")
    unlabelled = percent(1 - labelled_share(result.panoptic))
    return filled("result.html", {"picture": picture, "said": repr(result), "rows": rows, "unlabelled": unlabelled})
