"""`grounded_sam.prompted`: SAM's masks of objects that somebody marked with boxes and points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retclip.errors import DataError
from retclip.plugin.batches import BatchSize
from retclip.types import DenseFeatures, Device, Image, MaskProposals, Vocabulary
from retclip_grounded_sam.sam import load_sam
from retclip_grounded_sam.sam_masks import SamMasks, no_masks

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

    from retclip.regions import Region
    from retclip_grounded_sam import PromptedSettings


class Prompted:
    """A proposer that reads `Image.regions`."""

    def __init__(self, sam: Sam, settings: PromptedSettings, device: Device) -> None:
        self.masks = SamMasks(sam, device)
        self.batches = BatchSize(Device(device.torch_device, device.dtype, settings.regions_at_once))

    @classmethod
    def load(cls, settings: PromptedSettings, device: Device) -> Prompted:
        """With the SAM that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        return cls(load_sam(settings.sam), settings, device)

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """One entry per image: a mask for each marked object of the vocabulary, its class as prompt. objectness: the
        IoU that SAM predicts of the mask. A single point alone may mean an object or a part of it: of SAM's three
        masks the one it thinks best is taken. Raises DataError for an image in which nothing is marked."""
        return [self._proposals(image, set(vocabulary.names)) for image in images]

    def _proposals(self, image: Image, names: set[str]) -> MaskProposals:
        if not image.regions:
            raise DataError(
                f"boxes or points for image '{image.uri or image.sha256[:12]}'",
                "none",
                "mark objects in it (regions:PHOTOS?boxes=FILE), or use another proposer",
            )
        wanted = [one for one in image.regions if one.class_name in names]
        if not wanted:
            return no_masks(image)
        embedding = self.masks.embedded(image)
        answers: list[tuple[Tensor, Tensor]] = [(embedding, embedding)] * len(wanted)
        for alike in _alike(wanted):  # prompts of one form are decoded together; padding would change SAM's answer
            several = [wanted[n] for n in alike]
            found = self.batches.run(several, lambda some: self._decoded(embedding, some, image))
            for n, answer in zip(alike, found, strict=True):
                answers[n] = answer
        logits, quality = (torch.stack(one) for one in zip(*answers, strict=True))
        objectness = quality.clamp(0, 1)
        order = objectness.argsort(descending=True, stable=True)
        prompts = tuple(wanted[n].class_name for n in order.tolist())
        return self.masks.proposals(image, logits[order], objectness[order], prompts, objectness[order])

    def _decoded(self, embedding: Tensor, regions: Sequence[Region], image: Image) -> list[tuple[Tensor, Tensor]]:
        resize, device, first = self.masks.resize, embedding.device, regions[0]
        boxes = points = None
        if first.box is not None:
            corners = np.array([one.box for one in regions], dtype=np.float64)
            boxes = torch.from_numpy(resize.apply_boxes(corners, image.size)).to(device, torch.float32)
        if first.points:
            places = np.array([[(point.x, point.y) for point in one.points] for one in regions], dtype=np.float64)
            labels = torch.tensor([[int(point.positive) for point in one.points] for one in regions], device=device)
            points = torch.from_numpy(resize.apply_coords(places, image.size)).to(device, torch.float32), labels
        ambiguous = first.box is None and len(first.points) == 1
        return list(zip(*self.masks.decoded(embedding, boxes, points, ambiguous), strict=True))


def _alike(regions: Sequence[Region]) -> list[list[int]]:
    """Indices of regions, those together that have a box or not and as many points."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for n, one in enumerate(regions):
        groups.setdefault((one.box is not None, len(one.points)), []).append(n)
    return list(groups.values())
