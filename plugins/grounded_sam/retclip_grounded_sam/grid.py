"""`grounded_sam.grid`: SAM's automatic masks, prompted with a grid of points; the paper's ablation (table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from retclip.errors import ConfigError
from retclip.types import DenseFeatures, Device, Image, MaskProposals, Vocabulary
from retclip_grounded_sam.automatic_masks import AutomaticMasks
from retclip_grounded_sam.sam import load_sam
from retclip_grounded_sam.sam_masks import SamMasks

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

    from retclip_grounded_sam import GridSettings


class Grid:
    """A class-agnostic proposer."""

    def __init__(self, sam: Sam, settings: GridSettings, device: Device) -> None:
        if settings.min_mask_region_area and find_spec("cv2") is None:
            todo = "pip install opencv-python-headless, or set min_mask_region_area = 0"
            raise ConfigError("opencv, which removes small holes and islands", "no module cv2", todo)
        self.automatic = AutomaticMasks(SamMasks(sam, device), settings)

    @classmethod
    def load(cls, settings: GridSettings, device: Device) -> Grid:
        """With the model that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        return cls(load_sam(settings.sam), settings, device)

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,  # noqa: ARG002
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image: masks as the covered share of each cell, objectness the IoU that SAM predicts.

        Masks may overlap and leave gaps.
        """
        return [self._proposals(image) for image in images]

    def _proposals(self, image: Image) -> MaskProposals:
        masks, quality = self.automatic.masks(image.pixels)
        if not len(masks):
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size)
        return MaskProposals(masks, quality, image.size, mask_scores=quality)
