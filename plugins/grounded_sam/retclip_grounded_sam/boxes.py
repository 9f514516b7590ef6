"""`grounded_sam.boxes`: one mask per detected box, with the class that found it (paper, sections 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retclip.plugin.batches import BatchSize
from retclip.types import DenseFeatures, Device, Image, MaskProposals, Vocabulary
from retclip_grounded_sam.detector import Detector, load_detector
from retclip_grounded_sam.sam import load_sam
from retclip_grounded_sam.sam_masks import SamMasks, no_masks

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

    from retclip_grounded_sam import BoxesSettings


class Boxes:
    """A class-aware proposer: classes that the detector does not detect get no mask."""

    def __init__(self, detector: Detector, sam: Sam, settings: BoxesSettings, device: Device) -> None:
        self.detector, self.masks = detector, SamMasks(sam, device)
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
        """Return one entry per image, with mask logits in SAM's padded input.

        Every name and synonym is a prompt of the detector; `prompts` are the classes' names. Objectness is the box's
        score times the IoU that SAM predicts for its mask (method.md 6.3).
        """
        return [self._proposals(image, vocabulary) for image in images]

    def _proposals(self, image: Image, vocabulary: Vocabulary) -> MaskProposals:
        detections = self.detector.detect(image, vocabulary.terms)
        if not len(detections.scores):
            return no_masks(image)
        logits, quality = self._masks(image, detections.boxes)
        detector, quality = detections.scores.to(quality).float(), quality.clamp(0, 1).float()
        objectness = detector * quality
        order = objectness.argsort(descending=True, stable=True)
        owners = vocabulary.row_class[detections.terms[order.to(detections.terms.device)].cpu().numpy()]
        prompts = tuple(vocabulary.names[owner] for owner in owners)
        proposals = self.masks.proposals(image, logits[order], objectness[order], prompts, quality[order])
        return replace(proposals, detector_scores=detector[order])

    def _masks(self, image: Image, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return mask logits (m, side/4, side/4) in SAM's padded input and predicted IoU (m,), one mask per box."""
        embedding = self.masks.embedded(image.pixels)
        scaled = self.masks.resize.apply_boxes_torch(boxes.to(embedding.device), image.size)
        decoded = self.batches.run(list(scaled), lambda batch: self._decoded(embedding, torch.stack(list(batch))))
        masks, quality = zip(*decoded, strict=True)
        return torch.stack(masks), torch.stack(quality)

    def _decoded(self, embedding: Tensor, boxes: Tensor) -> list[tuple[Tensor, Tensor]]:
        return list(zip(*self.masks.decoded(embedding, boxes, None), strict=True))  # one mask a box (method.md 6.4)
