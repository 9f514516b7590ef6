"""`sam2.grid`: the photo is encoded once, a grid of points is decoded, the stable masks stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes, nms
from transformers import AutoImageProcessor, Sam2Config, Sam2Model
from transformers.utils import logging

from retclip.errors import ConfigError
from retclip.plugin.batches import BatchSize
from retclip.plugin.model_files import model_folder
from retclip.plugin.whole_weights import companion, pretrained
from retclip.types import DenseFeatures, Device, Image, MaskLogits, MaskProposals, Vocabulary
from retclip_sam2 import PUBLISHED, GridSettings

TYPES = ("sam2", "sam2_video")  # the published folders are those of the video model, which holds this one


class Grid:
    """A proposer that asks for no class. Masks bring their logits; SAM 2 squeezes the photo into a square, so that its
    grid covers the photo and nothing else."""

    def __init__(self, settings: GridSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        folder = model_folder(settings.model, PUBLISHED, "model")
        logging.disable_progress_bar()  # stderr is the user's
        self.processor: Any = companion(AutoImageProcessor.from_pretrained, folder)
        model = pretrained(Sam2Model.from_pretrained, folder, config=image_config(folder))
        self.model: Any = model.to(device.torch_device)
        self.batches = BatchSize(Device(device.torch_device, device.dtype, settings.points_per_batch))

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,  # noqa: ARG002
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """One entry per image, objectness the IoU that SAM predicts. Masks may overlap and leave gaps."""
        return [self._proposals(image) for image in images]

    def _proposals(self, image: Image) -> MaskProposals:
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        maps = self.model.get_image_embeddings(pixels.to(self.device.torch_device))
        points = grid_points(self.settings.points_per_side, (int(pixels.shape[-2]), int(pixels.shape[-1])))
        answers = self.batches.run(list(points), lambda some: self._decoded(maps, torch.stack(list(some))))
        logits, quality = (torch.cat(several) for several in zip(*answers, strict=True))
        kept = nms(mask_boxes(logits), quality, self.settings.box_nms_thresh)  # best first
        size = (int(logits.shape[1]), int(logits.shape[2]))
        masks = MaskLogits(logits[kept], size, size)
        sure = quality[kept].clamp(0, 1)
        return MaskProposals(masks.values.sigmoid(), sure, image.size, logits=masks, mask_scores=sure)

    def _decoded(self, maps: Any, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each point its sure and stable masks (m, y, x), m <= 3, and their predicted IoU (m,). The others are
        dropped at once: all 3,072 masks of a photo would take 800 MB."""
        where = points[None, :, None].to(self.device.torch_device)  # (1, points, 1, 2)
        said = self.model(image_embeddings=maps, input_points=where, multimask_output=True)
        logits, quality = said.pred_masks[0].float(), said.iou_scores[0].float()  # (points, 3, y, x), (points, 3)
        good = self._good(logits.flatten(0, 1), quality.flatten()).view_as(quality)
        return [(one[kept], sure[kept]) for one, sure, kept in zip(logits, quality, good, strict=True)]

    def _good(self, logits: Tensor, quality: Tensor) -> Tensor:
        """(n,) bool: whether a mask is sure, stable and not empty."""
        chosen = self.settings
        stable = stability(logits, chosen.stability_score_offset)
        good = (quality >= chosen.pred_iou_thresh) & (stable >= chosen.stability_score_thresh)
        return good & (logits > 0).flatten(1).any(1)


def image_config(folder: Path) -> Sam2Config:
    """The settings of the image model in a folder of it or of the video model. Raises ConfigError for another model:
    the library would fill SAM 2 with random numbers and go on."""
    found, _ = companion(Sam2Config.get_config_dict, folder)
    kind = found.get("model_type", "")
    if kind not in TYPES:
        raise ConfigError(f"a SAM 2 in {folder}", f"model_type {kind!r}", "correct `model`")
    return Sam2Config.from_dict({**found, "model_type": "sam2"})  # else it warns of the video model's name


def mask_boxes(logits: Tensor) -> Tensor:
    """(n, 4) float x0 y0 x1 y1 around the cells above 0, ends exclusive: a row of cells has an area too, so that its
    doubles are found. No mask may be empty."""
    boxes: Tensor = masks_to_boxes(logits > 0)
    boxes[:, 2:] += 1
    return boxes


def grid_points(per_side: int, size: tuple[int, int]) -> Tensor:
    """(per_side^2, 2) x, y in pixels of `size` = (H, W): the centres of as many equal cells, row by row."""
    shares = (torch.arange(per_side) + 0.5) / per_side
    y, x = torch.meshgrid(shares * size[0], shares * size[1], indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), dim=-1)


def stability(logits: Tensor, offset: float) -> Tensor:
    """(n,): IoU of the mask cut above the threshold with the one cut below it; 0 where both are empty."""
    high, low = ((logits > cut).flatten(1).sum(1).float() for cut in (offset, -offset))
    return high / low.clamp(min=1)
