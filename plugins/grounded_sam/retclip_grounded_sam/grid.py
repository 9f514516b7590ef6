"""`grounded_sam.grid`: SAM's automatic masks, prompted with a grid of points; the paper's ablation (table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import rle_to_mask
from torch import Tensor

from retclip.errors import ConfigError
from retclip.types import DenseFeatures, Device, Image, MaskProposals, Vocabulary
from retclip_grounded_sam.sam import load_sam

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

    from retclip_grounded_sam import GridSettings


class Grid:
    """A class-agnostic proposer."""

    def __init__(self, sam: Sam, settings: GridSettings, device: Device) -> None:
        parameters = settings.model_dump(exclude={"sam", "side"})
        if settings.min_mask_region_area and find_spec("cv2") is None:
            todo = "pip install opencv-python-headless, or set min_mask_region_area = 0"
            raise ConfigError("opencv, which removes small holes and islands", "no module cv2", todo)
        self.side = settings.side
        _answer_in_float32(sam.mask_decoder)
        # Run-length masks: a hundred full-size ones of a large photo would not fit the memory.
        self.generator = SamAutomaticMaskGenerator(
            sam.to(device.torch_device), output_mode="uncompressed_rle", **parameters
        )

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
        masks_by_quality = sorted(self.generator.generate(image.pixels), key=lambda mask: -mask["predicted_iou"])
        if not masks_by_quality:
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size)
        masks = torch.stack([self._coarse(mask["segmentation"]) for mask in masks_by_quality])
        quality = torch.tensor([mask["predicted_iou"] for mask in masks_by_quality], dtype=torch.float32).clamp(0, 1)
        return MaskProposals(masks, quality, image.size, mask_scores=quality)

    def _coarse(self, runs: dict[str, Any]) -> Tensor:
        """Return (y, x) float32 in [0, 1], the longer side at most `side` cells."""
        pixels = torch.from_numpy(rle_to_mask(runs)).float()  # (H, W)
        shrink = min(1.0, self.side / max(pixels.shape))
        size = [max(1, round(length * shrink)) for length in pixels.shape]
        return F.interpolate(pixels[None, None], size=size, mode="area")[0, 0]


def _answer_in_float32(decoder: Any) -> None:
    """Make the decoder return float32: the generator converts its outputs to NumPy, which has no bfloat16."""
    forward = decoder.forward
    decoder.forward = lambda **inputs: tuple(output.float() for output in forward(**inputs))
