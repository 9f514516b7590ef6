"""SAM's masks of one photo: the frame it works on, prompts brought to it, and its answers as proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from retclip.algorithms.mask_frames import grid_probabilities
from retclip.types import Device, Image, MaskLogits, MaskProposals

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


class SamMasks:
    """A SAM on a device."""

    def __init__(self, sam: Sam, device: Device) -> None:
        self.device = device
        self.sam: Any = sam.to(device.torch_device)
        self.side = int(sam.image_encoder.img_size)
        self.resize = ResizeLongestSide(self.side)

    def embedded(self, image: Image) -> Tensor:
        """(1, e, y, x): what SAM sees of the photo."""
        resized = np.ascontiguousarray(self.resize.apply_image(image.pixels).transpose(2, 0, 1))
        pixels = torch.from_numpy(resized).to(self.device.torch_device).float()
        found: Tensor = self.sam.image_encoder(self.sam.preprocess(pixels)[None])
        return found

    def decoded(
        self, embedding: Tensor, boxes: Tensor | None, points: tuple[Tensor, Tensor] | None, several: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mask logits (m, side/4, side/4) on SAM's frame and predicted IoU (m,). boxes: (m, 4); points: (m, k, 2) and
        (m, k), 1 on the object, 0 beside it; all on the frame. several: of the three masks that SAM draws of an
        ambiguous prompt, the one it thinks best."""
        sparse, dense = self.sam.prompt_encoder(points=points, boxes=boxes, masks=None)
        masks, quality = self.sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
        )
        best = quality.float().argmax(dim=1)
        rows = torch.arange(len(best), device=best.device)
        return masks[rows, best].float(), quality[rows, best].float()

    def proposals(
        self, image: Image, logits: Tensor, objectness: Tensor, prompts: tuple[str | None, ...], quality: Tensor
    ) -> MaskProposals:
        """Sorted already, best first. Masks bring their logits on SAM's frame. quality: (m,) in [0, 1], the IoU
        that SAM predicts."""
        inner = self.resize.get_preprocess_shape(*image.size, self.side)
        framed = MaskLogits(logits, (self.side, self.side), inner)
        cells = logits.shape[1] / self.side
        grid = (max(1, round(inner[0] * cells)), max(1, round(inner[1] * cells)))
        masks = grid_probabilities(framed, grid)
        return MaskProposals(masks, objectness, image.size, prompts, logits=framed, mask_scores=quality)


def no_masks(image: Image) -> MaskProposals:
    """Nothing found."""
    return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
