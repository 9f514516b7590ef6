"""`reference.ground_truth`: the annotation's own segments as masks, the upper bound for every proposer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from retclip.errors import DataError
from retclip.types import DenseFeatures, Image, MaskMap, MaskProposals, Vocabulary
from retclip_reference.area_resize import area_resized

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from retclip.types import Device
    from retclip_reference import GroundTruthSettings


class GroundTruth:
    """A proposer that reads `Image.truth`."""

    def __init__(self, settings: GroundTruthSettings, device: Device) -> None:
        self.min_area, self.side = settings.min_area, settings.side
        self.device = device

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image: its annotated segments as binary masks, objectness 1, in the annotation's order.

        They are a map of the label map's size. Where a side of that is longer than `side` the grid is smaller, and a
        value is the segment's share of the cell's pixels. Crowd regions, classes outside the vocabulary and segments of
        fewer than `min_area` pixels are left out. Raises DataError for an image without annotation.
        """
        return [self._masks(image, set(vocabulary.names)) for image in images]

    def _masks(self, image: Image, names: set[str]) -> MaskProposals:
        if image.truth is None:
            raise DataError(
                f"an annotation for image '{image.uri or image.sha256[:12]}'",
                "none",
                "use a data set with labels; or another proposer: reference.superpixels to segment, "
                "reference.whole_image to add a class from photos of it, reference.prompted_superpixels from points",
            )
        segments = [
            segment
            for segment in image.truth.segments
            if segment.class_name in names and not segment.is_crowd and segment.area >= self.min_area
        ]
        return MaskProposals(
            self._on_grid(image.truth.label_map, [segment.id for segment in segments]),
            torch.ones(len(segments), device=self.device.torch_device),
            image.size,
            prompts=tuple(segment.class_name for segment in segments),
        )

    def _on_grid(self, label_map: NDArray[np.int32], ids: Sequence[int]) -> Tensor | MaskMap:
        """(n, y, x) float32, one mask after the other, so that a large photo costs one full-size mask at a time; or a
        map where it is small enough."""
        height, width = label_map.shape
        shrink = min(1.0, self.side / max(height, width))
        size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
        if size == (height, width):
            numbers, place = np.unique(label_map, return_inverse=True)
            index = {segment_id: n for n, segment_id in enumerate(ids)}
            of_number = np.array([index.get(number, -1) for number in numbers.tolist()], dtype=np.int64)
            return MaskMap(torch.from_numpy(of_number[place]).to(self.device.torch_device), len(ids))
        masks = torch.empty(len(ids), *size, device=self.device.torch_device)
        for n, segment_id in enumerate(ids):
            masks[n] = torch.from_numpy(area_resized((label_map == segment_id).astype(np.float32), size).copy())
        return masks
