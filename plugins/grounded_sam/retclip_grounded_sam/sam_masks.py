"""SAM's encoder and mask decoder for one photo; its frame is the padded square input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
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

    def embedded(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the embedding (1, e, y, x) of a photo, or of a part of it. pixels: (H, W, 3) RGB."""
        resized = np.ascontiguousarray(self.resize.apply_image(pixels).transpose(2, 0, 1))
        framed = self.sam.preprocess(torch.from_numpy(resized).to(self.device.torch_device).float())
        embedding: Tensor = self.sam.image_encoder(framed[None])
        return embedding

    def framed(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the part (h, w) of the frame that a photo of size (H, W) fills."""
        height, width = self.resize.get_preprocess_shape(*size, self.side)
        return height, width

    def decoded(
        self, embedding: Tensor, boxes: Tensor | None, points: tuple[Tensor, Tensor] | None, multimask: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return mask logits (m, side/4, side/4) on SAM's frame and predicted IoU (m,).

        boxes: (m, 4) x0 y0 x1 y1 in pixels of the frame.
        points: (m, k, 2) x y in pixels of the frame and their labels (m, k), 1 on the object, 0 beside it.
        multimask: for ambiguous prompts: of SAM's three masks the one with the highest predicted IoU.
        """
        masks, quality = self.alternatives(embedding, boxes, points, multimask)
        best = quality.argmax(dim=1)  # (m, masks) -> (m,)
        rows = torch.arange(len(best), device=best.device)  # (m,)
        return masks[rows, best], quality[rows, best]

    def alternatives(
        self, embedding: Tensor, boxes: Tensor | None, points: tuple[Tensor, Tensor] | None, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return all that SAM answers to each prompt: logits (m, a, side/4, side/4) and predicted IoU (m, a), float32.

        multimask: a = 3 masks instead of one. The others as `decoded` takes them.
        """
        sparse, dense = self.sam.prompt_encoder(points=points, boxes=boxes, masks=None)
        masks, quality = self.sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        return masks.float(), quality.float()

    def proposals(
        self, image: Image, logits: Tensor, objectness: Tensor, prompts: tuple[str | None, ...], quality: Tensor
    ) -> MaskProposals:
        """Return proposals with their logits on SAM's frame, in the given order.

        logits: (m, side/4, side/4), best first.
        objectness: (m,) in [0, 1].
        quality: (m,) in [0, 1], the IoU that SAM predicts.
        """
        inner = self.framed(image.size)
        framed = MaskLogits(logits, (self.side, self.side), inner)
        cells = logits.shape[1] / self.side
        grid = (max(1, round(inner[0] * cells)), max(1, round(inner[1] * cells)))
        masks = grid_probabilities(framed, grid)
        return MaskProposals(masks, objectness, image.size, prompts, logits=framed, mask_scores=quality)


def no_masks(image: Image) -> MaskProposals:
    """Return proposals without a mask."""
    return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
