"""`reference.superpixels`: SLIC superpixels as masks (Achanta et al., SLIC superpixels, PAMI 2012).

A superpixel is a fragment of an object or of a region, never the whole: as a proposer this is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.segmentation import slic

from retclip.types import DenseFeatures, Image, MaskMap, MaskProposals, Vocabulary
from retclip_reference import appearance
from retclip_reference.area_resize import area_resized
from retclip_reference.fixed_point import gaussian, on_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from retclip.types import Device
    from retclip_reference import SuperpixelSettings
    from retclip_reference.fixed_point import Doubles


class Superpixels:
    """A class-agnostic proposer of SLIC superpixels."""

    def __init__(self, settings: SuperpixelSettings, device: Device) -> None:
        self.settings = settings
        self.device = device

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,  # noqa: ARG002
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image: binary masks that part the image, as a map (y, x), objectness 1.

        The grid is the image's own, or that of the image reduced where a side is longer than `side`.
        """
        return [self._masks(image) for image in images]

    def _masks(self, image: Image) -> MaskProposals:
        patches = torch.from_numpy(superpixel_map(image.pixels, self.settings)).to(self.device.torch_device)  # (y, x)
        masks = MaskMap(patches, int(patches.max()) + 1)
        return MaskProposals(masks, torch.ones(masks.count, device=patches.device), image.size)


def superpixel_map(pixels: NDArray[np.uint8], settings: SuperpixelSettings) -> NDArray[np.int64]:
    """(y, x) int64, the number of each grid cell's superpixel, 0 .. n - 1 without gaps."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, settings.side / max(height, width))
    colours = _smooth_colours(
        area_resized(pixels, (max(1, round(height * shrink)), max(1, round(width * shrink)))), settings.sigma
    )
    patches = slic(
        colours,
        n_segments=settings.count,
        compactness=settings.compactness / (float(np.ptp(colours)) or 1.0),  # slic brings them to [0, 1]
        sigma=0,
        convert2lab=False,
        start_label=0,
        enforce_connectivity=True,
        channel_axis=-1,
    )
    return np.unique(patches, return_inverse=True)[1].reshape(patches.shape)


def _smooth_colours(pixels: NDArray[np.uint8], sigma: float) -> Doubles:
    """(y, x, 3) L*a*b* between the image's darkest and brightest sample, smoothed. On a grid, for the last bit of a
    colour decides to which of two equally near patches a pixel goes, and processors differ in it."""
    colours = appearance.lab(pixels, int(pixels.min()), int(pixels.max()))
    if not sigma:
        return colours
    weights = gaussian(sigma, appearance.FILTER)
    return on_grid(appearance.filtered(colours, weights, weights), appearance.COLOUR)
