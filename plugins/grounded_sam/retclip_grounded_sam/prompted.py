"""`grounded_sam.prompted`: SAM's masks of objects that are marked with boxes and points."""

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
        """Return one entry per image: a mask for each marked object of the vocabulary, with its class as prompt.

        Objectness is the IoU that SAM predicts for the mask. A single point is ambiguous, it may mean an object or a
        part of it: of SAM's three masks the one with the highest predicted IoU is returned.
        Raises DataError for an image in which nothing is marked.
        """
        return [self._proposals(image, set(vocabulary.names)) for image in images]

    def _proposals(self, image: Image, names: set[str]) -> MaskProposals:
        if not image.regions:
            raise DataError(
                f"boxes or points for image '{image.uri or image.sha256[:12]}'",
                "none",
                "mark objects in it (regions:PHOTOS?boxes=FILE), or use another proposer",
            )
        regions = [region for region in image.regions if region.class_name in names]
        if not regions:
            return no_masks(image)
        embedding = self.masks.embedded(image.pixels)
        results: list[tuple[Tensor, Tensor]] = [(embedding, embedding)] * len(regions)
        for group in _same_prompt_form(regions):  # batched by form, because padding would change SAM's masks
            members = [regions[n] for n in group]
            decoded = self.batches.run(members, lambda batch: self._decoded(embedding, batch, image))
            for n, result in zip(group, decoded, strict=True):
                results[n] = result
        logits, quality = (torch.stack(values) for values in zip(*results, strict=True))
        objectness = quality.clamp(0, 1)
        order = objectness.argsort(descending=True, stable=True)
        prompts = tuple(regions[n].class_name for n in order.tolist())
        return self.masks.proposals(image, logits[order], objectness[order], prompts, objectness[order])

    def _decoded(self, embedding: Tensor, regions: Sequence[Region], image: Image) -> list[tuple[Tensor, Tensor]]:
        resize, device, first = self.masks.resize, embedding.device, regions[0]
        boxes = points = None
        if first.box is not None:
            corners = np.array([region.box for region in regions], dtype=np.float64)
            boxes = torch.from_numpy(resize.apply_boxes(corners, image.size)).to(device, torch.float32)
        if first.points:
            xy = np.array([[(p.x, p.y) for p in region.points] for region in regions], dtype=np.float64)  # (m, k, 2)
            labels = torch.tensor([[int(p.positive) for p in region.points] for region in regions], device=device)
            points = torch.from_numpy(resize.apply_coords(xy, image.size)).to(device, torch.float32), labels
        ambiguous = first.box is None and len(first.points) == 1
        return list(zip(*self.masks.decoded(embedding, boxes, points, ambiguous), strict=True))


def _same_prompt_form(regions: Sequence[Region]) -> list[list[int]]:
    """Group the indices of regions by the form of their prompt: with or without a box, and the number of points."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for n, region in enumerate(regions):
        groups.setdefault((region.box is not None, len(region.points)), []).append(n)
    return list(groups.values())
