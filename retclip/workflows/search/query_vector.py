"""The vector of a question: of a text, of a whole photo, or of a mask in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.data.readers.regions.drawn_mask import drawn_mask
from retclip.data.readers.regions.object_masks import SLACK
from retclip.errors import ConfigError, DataError
from retclip.plugin.contracts import Backbone
from retclip.types import Image, MaskProposals, Vocabulary
from retclip.workflows.segment.describe_image import dense, pooled, proposals_of, text_of
from retclip.workflows.segment.masks import binary
from retclip.workflows.segment.parts import Loaded, Models


@dataclass(frozen=True)
class Marked:
    """Where in a photo the question lies: one of these, or none for the whole photo.

    box: x, y, width, height in pixels of the upright image.
    point: x, y of a pixel from the upper left.
    mask: a PNG of the photo's size, set where it is not 0.
    """

    box: tuple[int, int, int, int] | None = None
    point: tuple[int, int] | None = None
    mask: Path | None = None

    def __post_init__(self) -> None:
        regions = [name for name in ("box", "point", "mask") if getattr(self, name) is not None]
        if len(regions) > 1:
            raise ConfigError(
                "one of --box, --point and --mask", " and ".join(f"--{name}" for name in regions), "give one"
            )

    @property
    def words(self) -> tuple[str, ...]:
        """What is marked, in words: a mask by its path."""
        regions = {"box": self.box, "point": self.point, "mask": self.mask}
        return tuple(f"{name} {value}" for name, value in regions.items() if value is not None)


def text_vector(backbone: Loaded[Backbone], text: str) -> NDArray[np.float32]:
    """Return the unit vector (d,) of a text. Raises ConfigError from a backbone without a text tower, NamesTooLong."""
    vectors = text_of(backbone, [text])
    if vectors is None:
        raise ConfigError("a backbone that reads", f"{backbone.name}, which has no text tower", "ask with --image")
    return vectors[0].float().cpu().numpy()


def photo_vector(
    backbone: Loaded[Backbone], image: Image, marked: Marked, models: Models | None, vocabulary: Vocabulary | None
) -> NDArray[np.float32]:
    """Return the unit vector (d,) of what is marked in a photo.

    models, vocabulary: of the proposer that finds the mask at a point; needed for that alone.
    Raises DataError for a mark outside the photo, and a mask that meets no cell of the backbone's features.
    """
    if marked.point is not None and models is not None and vocabulary is not None:
        proposals = smallest_mask(models, image, marked.point, vocabulary)
    else:
        drawn = torch.from_numpy(marked_pixels(image, marked)).to(backbone.device.torch_device).float()
        proposals = MaskProposals(drawn[None], torch.ones(1), image.size)
    (features,) = dense(backbone, [image])
    segments = pooled(backbone, image, features, proposals)
    if not bool(segments.covered[0]):
        got = ", ".join(marked.words) or "the whole photo"
        raise DataError(f"a mask that meets a cell of the features of {backbone.name}", got, "mark a larger part")
    return segments.vectors[0].float().cpu().numpy()


def marked_pixels(image: Image, marked: Marked) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of a box, a mask, or the whole photo.

    Raises DataError for a mask of another size or without a pixel, and for a box that reaches out of the photo.
    """
    height, width = image.size
    pixels = np.zeros((height, width), dtype=bool)
    if marked.mask is not None:
        drawn = drawn_mask(marked.mask)
        if drawn.shape != (height, width):
            got = f"{marked.mask} of {drawn.shape[1]} x {drawn.shape[0]}"
            raise DataError(
                f"a mask of the photo's size, {width} x {height}", got, "save it at the photo's size, upright"
            )
        pixels |= drawn
    elif marked.box is not None:
        x, y, box_width, box_height = marked.box
        if min(x, y) < -SLACK or x + box_width > width + SLACK or y + box_height > height + SLACK:
            got = f"box {marked.box}, which reaches from ({x}, {y}) to ({x + box_width}, {y + box_height})"
            todo = "write x, y, width, height; lists of segments show two corners"
            raise DataError(f"a mark inside {width} x {height} pixels", got, todo)
        pixels[max(0, y) : max(0, y + box_height), max(0, x) : max(0, x + box_width)] = True
    else:
        pixels[:] = True
    if not pixels.any():
        raise DataError(
            f"a mark inside {width} x {height} pixels", ", ".join(marked.words), "count from the upper left"
        )
    return pixels


def smallest_mask(models: Models, image: Image, point: tuple[int, int], vocabulary: Vocabulary) -> MaskProposals:
    """Return the proposer's smallest mask that contains a pixel, alone.

    Raises DataError for a pixel outside the photo, or that no mask contains.
    """
    (x, y), (height, width) = point, image.size
    if not (0 <= x < width and 0 <= y < height):
        raise DataError(f"a pixel inside {width} x {height}", f"({x}, {y})", "count from the upper left, x first")
    _, proposals = proposals_of(models, [image], vocabulary)[0]
    areas = (proposals.masks > 0.5).flatten(1).float().mean(dim=1)  # (n,) share of the photo
    for number in torch.argsort(areas, stable=True).tolist():
        if areas[number] > 0 and binary(proposals, number)[y, x]:
            return proposals.picked(torch.tensor([number]))
    got = f"({x}, {y}), which none of {len(proposals)} masks of {models.proposer.name} contains"
    raise DataError("a pixel inside a mask", got, "choose another pixel, or give --box or --mask")
