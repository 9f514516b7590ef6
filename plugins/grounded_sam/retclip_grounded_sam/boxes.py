"""`grounded_sam.boxes`: one mask per detected box, with the class that found it (paper, sections 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from retclip.algorithms.mask_frames import on_photo
from retclip.plugin.batches import BatchSize
from retclip.types import DenseFeatures, Device, Image, MaskLogits, MaskProposals, Vocabulary
from retclip_grounded_sam.detector import Detector, load_detector
from retclip_grounded_sam.sam import load_sam

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

    from retclip_grounded_sam import BoxesSettings


class Boxes:
    """A prompted proposer: classes that the detector does not find get no mask."""

    def __init__(self, detector: Detector, sam: Sam, settings: BoxesSettings, device: Device) -> None:
        self.detector, self.device = detector, device
        self.sam: Any = sam.to(device.torch_device)
        self.side = int(sam.image_encoder.img_size)
        self.resize = ResizeLongestSide(self.side)
        self.batches = BatchSize(Device(device.torch_device, device.dtype, settings.boxes_at_once))

    @classmethod
    def load(cls, settings: BoxesSettings, device: Device) -> Boxes:
        """With the models that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        return cls(load_detector(settings, device), load_sam(settings.sam), settings, device)

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """One entry per image. Names and synonyms are all looked for; prompts are the classes' names. objectness: the
        box's score times the IoU that SAM predicts of its mask. Masks bring their logits on SAM's frame."""
        return [self._proposals(image, vocabulary) for image in images]

    def _proposals(self, image: Image, vocabulary: Vocabulary) -> MaskProposals:
        found = self.detector.detect(image, vocabulary.terms)
        if not len(found.scores):
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
        logits, quality = self._masks(image, found.boxes)
        detector, quality = found.scores.to(quality).float(), quality.clamp(0, 1).float()
        objectness = detector * quality
        order = objectness.argsort(descending=True, stable=True)
        owners = vocabulary.row_class[found.terms[order.to(found.terms.device)].cpu().numpy()]
        inner = self.resize.get_preprocess_shape(*image.size, self.side)
        framed = MaskLogits(logits[order], (self.side, self.side), inner)
        cells = logits.shape[1] / self.side
        grid = (max(1, round(inner[0] * cells)), max(1, round(inner[1] * cells)))
        prompts = tuple(vocabulary.names[owner] for owner in owners)
        scores = {"detector_scores": detector[order], "mask_scores": quality[order]}
        return MaskProposals(on_photo(framed, grid), objectness[order], image.size, prompts, logits=framed, **scores)

    def _masks(self, image: Image, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (m, side/4, side/4) on SAM's frame and predicted IoU (m,), one of each per box."""
        resized = np.ascontiguousarray(self.resize.apply_image(image.pixels).transpose(2, 0, 1))
        pixels = torch.from_numpy(resized).to(self.device.torch_device).float()
        embedding = self.sam.image_encoder(self.sam.preprocess(pixels)[None])
        scaled = self.resize.apply_boxes_torch(boxes.to(self.device.torch_device), image.size)
        answers = self.batches.run(list(scaled), lambda some: self._decoded(embedding, torch.stack(list(some))))
        masks, quality = zip(*answers, strict=True)
        return torch.stack(masks), torch.stack(quality)

    def _decoded(self, embedding: Tensor, boxes: Tensor) -> list[tuple[Tensor, Tensor]]:
        sparse, dense = self.sam.prompt_encoder(points=None, boxes=boxes, masks=None)
        masks, quality = self.sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,  # a box says what is meant (method.md 6.4)
        )
        return list(zip(masks[:, 0].float(), quality[:, 0].float(), strict=True))
