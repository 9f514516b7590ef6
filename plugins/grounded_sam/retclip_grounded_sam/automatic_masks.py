"""SAM's automatic masks: those of segment-anything's generator, painted at full size only where that decides or shows.

The generator brings every mask to the photo's size before it asks whether the predicted IoU is high enough, and keeps
run lengths of what is left. Here a mask stays SAM's small logits: it is painted once, a few at a time, where its IoU is
high enough, for its stability and its box, and once more if it is no duplicate. The masks are the same to the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Bool, Float, Int64
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils import amg
from torch import Tensor
from torchvision.ops import box_area, nms

from retclip.plugin.batches import BatchSize

if TYPE_CHECKING:
    from retclip_grounded_sam import GridSettings
    from retclip_grounded_sam.sam_masks import SamMasks

CHUNK = 1 << 23  # pixels painted together: 32 MB of float32


@dataclass(frozen=True)
class Crop:
    """A part of the photo as SAM sees it.

    box: x0, y0, x1, y1 in pixels of the photo.
    framed: (height, width) of its content in SAM's input.
    """

    box: tuple[int, int, int, int]
    framed: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width in pixels of the photo."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0


@dataclass(frozen=True, eq=False)
class Candidates:
    """Masks of one photo.

    logits: (n, s, s) in SAM's frame of a crop, float32.
    quality: (n,) predicted IoU.
    boxes: (n, 4) x0, y0, x1, y1 in pixels of the photo.
    crops: (n,) the crop of each.
    """

    logits: Tensor
    quality: Tensor
    boxes: Tensor
    crops: Tensor

    def picked(self, at: Int64[Tensor, "m"] | Bool[Tensor, "n"]) -> Candidates:
        """Return some of them."""
        return Candidates(*(getattr(self, field.name)[at] for field in fields(self)))

    @staticmethod
    def joined(parts: list[Candidates]) -> Candidates:
        """Return all of them, in order."""
        return Candidates(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Candidates)))


class AutomaticMasks:
    """A SAM prompted with a grid of points in the photo and, where asked, in crops of it.

    sam_masks: the SAM on its device.
    """

    def __init__(self, sam_masks: SamMasks, settings: GridSettings) -> None:
        self.sam_masks, self.settings, self.threshold = sam_masks, settings, float(sam_masks.sam.mask_threshold)
        self.together = BatchSize(
            sam_masks.device, settings.points_per_batch, "plugin.grounded_sam.grid.points_per_batch"
        )
        self.points = amg.build_all_layer_point_grids(settings.points_per_side, settings.crop_n_layers, 1)

    def masks(self, pixels: np.ndarray) -> tuple[Float[Tensor, "n y x"], Float[Tensor, "n"]]:
        """Return the covered share of each cell, the longer side at most `side` cells, and predicted IoUs, best first.

        pixels: (H, W, 3) RGB, 8 bits.
        """
        size = (pixels.shape[0], pixels.shape[1])
        layers = self.settings.crop_n_layers, self.settings.crop_overlap_ratio
        crops: list[Crop] = []
        parts: list[Candidates] = []
        for box, layer in zip(*amg.generate_crop_boxes(size, *layers), strict=True):
            crop, candidates = self._of_crop(pixels, tuple(box), layer, len(crops))
            crops.append(crop)
            parts.append(candidates)
        kept = Candidates.joined(parts)
        if len(crops) > 1:  # of duplicates in several crops the one of the smallest crop
            areas = box_area(torch.tensor([crop.box for crop in crops], device=kept.boxes.device))
            kept = kept.picked(nms(kept.boxes.float(), 1 / areas[kept.crops], self.settings.crop_nms_thresh))
        if self.settings.min_mask_region_area:
            return _best_first(*self._without_specks(kept, crops, size))
        painted = (self._coarse(masks) for masks in self._painted(kept, crops, size))
        return _best_first(torch.cat([self._coarse(torch.zeros(0, *size)), *painted]), kept.quality)

    def _of_crop(self, pixels: np.ndarray, box: tuple[int, ...], layer: int, number: int) -> tuple[Crop, Candidates]:
        """Return the masks of one crop, without duplicates."""
        x0, y0, x1, y1 = box
        embedding = self.sam_masks.embedded(pixels[y0:y1, x0:x1])
        crop = Crop((x0, y0, x1, y1), self.sam_masks.framed((y1 - y0, x1 - x0)))
        points = self.points[layer] * np.array(crop.size)[None, ::-1]
        places = torch.as_tensor(self.sam_masks.resize.apply_coords(points, crop.size), device=embedding.device)
        size = pixels.shape[0], pixels.shape[1]
        parts = self.together.of_slices(
            places, lambda batch: self._stable(*self._decoded(embedding, batch), crop, number, size)
        )
        candidates = Candidates.joined(parts)
        kept = nms(candidates.boxes.float(), candidates.quality, self.settings.box_nms_thresh)
        return crop, candidates.picked(kept)

    def _decoded(
        self, embedding: Tensor, places: Float[Tensor, "p 2"]
    ) -> tuple[Float[Tensor, "n s s"], Float[Tensor, "n"]]:
        """Return the three masks of each point whose predicted IoU is high enough."""
        labels = torch.ones(len(places), 1, dtype=torch.int, device=places.device)
        logits, quality = self.sam_masks.alternatives(embedding, None, (places[:, None], labels), multimask=True)
        logits, quality = logits.flatten(0, 1), quality.flatten()
        least = self.settings.pred_iou_thresh
        good = quality > least if least > 0 else torch.ones_like(quality, dtype=torch.bool)
        return logits[good], quality[good]

    def _stable(self, logits: Tensor, quality: Tensor, crop: Crop, number: int, size: tuple[int, int]) -> Candidates:
        """Return those whose pixels hardly depend on the threshold, and that no edge of the crop cuts off."""
        threshold, offset = self.threshold, self.settings.stability_score_offset
        stable, boxes = [torch.zeros(0, dtype=torch.bool, device=logits.device)], [logits.new_zeros(0, 4).long()]
        for part in logits.split(_together(crop.size)):
            pixels = self._enlarged(part, crop)  # (m, h, w) logits
            score = amg.calculate_stability_score(pixels, threshold, offset)
            least = self.settings.stability_score_thresh
            stable.append(score >= least if least > 0 else torch.ones_like(score, dtype=torch.bool))
            boxes.append(amg.batched_mask_to_box(pixels > threshold).long())
        kept = torch.cat(stable)
        in_crop = torch.cat(boxes)
        kept &= ~amg.is_box_near_crop_edge(in_crop, list(crop.box), [0, 0, size[1], size[0]])
        in_photo = amg.uncrop_boxes_xyxy(in_crop, list(crop.box))
        return Candidates(logits, quality, in_photo, torch.full_like(quality, number, dtype=torch.long)).picked(kept)

    def _enlarged(self, logits: Float[Tensor, "m s s"], crop: Crop) -> Float[Tensor, "m h w"]:
        pixels: Tensor = self.sam_masks.sam.postprocess_masks(logits[:, None], crop.framed, crop.size)[:, 0]
        return pixels

    def _painted(
        self, candidates: Candidates, crops: list[Crop], size: tuple[int, int]
    ) -> Iterator[Bool[Tensor, "m H W"]]:
        """Yield the masks at the photo's size, a few at a time, in order."""
        numbers, counts = candidates.crops.unique_consecutive(return_counts=True)
        of_crops = zip(numbers.tolist(), candidates.logits.split(counts.tolist()), strict=True)
        for number, logits in of_crops:
            crop = crops[number]
            for part in logits.split(_together(size)):
                inside = self._enlarged(part, crop) > self.threshold
                yield amg.uncrop_masks(inside, list(crop.box), *size)

    def _coarse(self, masks: Bool[Tensor, "m H W"]) -> Float[Tensor, "m y x"]:
        shrink = min(1.0, self.settings.side / max(masks.shape[1:]))
        cells = [max(1, round(length * shrink)) for length in masks.shape[1:]]
        if not len(masks):
            return torch.zeros(0, *cells, device=masks.device)
        return F.interpolate(masks[:, None].float(), size=cells, mode="area")[:, 0]

    def _without_specks(
        self, candidates: Candidates, crops: list[Crop], size: tuple[int, int]
    ) -> tuple[Float[Tensor, "n y x"], Float[Tensor, "n"]]:
        """Return masks without small holes and islands, and their quality, by the generator's own function."""
        runs = [each for masks in self._painted(candidates, crops, size) for each in amg.mask_to_rle_pytorch(masks)]
        data = amg.MaskData(rles=runs, boxes=candidates.boxes, quality=candidates.quality)
        least = max(self.settings.box_nms_thresh, self.settings.crop_nms_thresh)
        data = SamAutomaticMaskGenerator.postprocess_small_regions(data, self.settings.min_mask_region_area, least)
        masks = [self._coarse(torch.from_numpy(amg.rle_to_mask(each))[None]) for each in data["rles"]]
        empty = self._coarse(torch.zeros(0, *size))
        return torch.cat([empty, *masks]).to(candidates.quality.device), data["quality"]


def _together(size: tuple[int, int]) -> int:
    """Return how many masks of a size are painted together."""
    return max(1, CHUNK // (size[0] * size[1]))


def _best_first(masks: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
    order = quality.argsort(descending=True, stable=True)
    return masks[order], quality[order].clamp(0, 1)
