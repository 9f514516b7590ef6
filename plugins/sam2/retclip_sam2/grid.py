"""`sam2.grid`: the photo is encoded once, a grid of points is decoded, stable masks are kept (method.md 6.4)."""

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
    """A class-agnostic proposer with mask logits; SAM 2 resizes the photo to a square, so its grid has no padding."""

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
        """Return one entry per image; objectness is the IoU that SAM predicts. Masks may overlap and leave gaps."""
        return [self._proposals(image) for image in images]

    def _proposals(self, image: Image) -> MaskProposals:
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        maps = self.model.get_image_embeddings(pixels.to(self.device.torch_device))
        points = grid_points(self.settings.points_per_side, (int(pixels.shape[-2]), int(pixels.shape[-1])))
        decoded = self.batches.run(list(points), lambda batch: self._decoded(maps, torch.stack(list(batch))))
        logits, quality = (torch.cat(tensors) for tensors in zip(*decoded, strict=True))
        keep = nms(mask_boxes(logits), quality, self.settings.box_nms_thresh)  # best first
        size = (int(logits.shape[1]), int(logits.shape[2]))
        masks = MaskLogits(logits[keep], size, size)
        scores = quality[keep].clamp(0, 1)
        return MaskProposals(masks.values.sigmoid(), scores, image.size, logits=masks, mask_scores=scores)

    def _decoded(self, maps: Any, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the valid masks (m, y, x), m <= 3, of each point, and their predicted IoU (m,).

        The others are dropped per batch, because all 3,072 masks of a photo take 800 MB.
        """
        input_points = points[None, :, None].to(self.device.torch_device)  # (1, points, 1, 2)
        output = self.model(image_embeddings=maps, input_points=input_points, multimask_output=True)
        logits, quality = output.pred_masks[0].float(), output.iou_scores[0].float()  # (points, 3, y, x), (points, 3)
        valid = self._valid(logits.flatten(0, 1), quality.flatten()).view_as(quality)  # (points, 3)
        return [
            (point_logits[keep], point_quality[keep])
            for point_logits, point_quality, keep in zip(logits, quality, valid, strict=True)
        ]

    def _valid(self, logits: Tensor, quality: Tensor) -> Tensor:
        """Return (n,) bool, whether a mask has the predicted IoU and the stability required and is not empty."""
        settings = self.settings
        stable = stability(logits, settings.stability_score_offset)
        valid = (quality >= settings.pred_iou_thresh) & (stable >= settings.stability_score_thresh)
        return valid & (logits > 0).flatten(1).any(1)


def image_config(folder: Path) -> Sam2Config:
    """Return the configuration of the image model, from a folder of the image or the video model.

    Raises ConfigError for another model: the library would fill SAM 2 with random weights silently.
    """
    config, _ = companion(Sam2Config.get_config_dict, folder)
    kind = config.get("model_type", "")
    if kind not in TYPES:
        raise ConfigError(f"a SAM 2 in {folder}", f"model_type {kind!r}", "correct `model`")
    return Sam2Config.from_dict({**config, "model_type": "sam2"})  # else it warns of the video model's name


def mask_boxes(logits: Tensor) -> Tensor:
    """Return (n, 4) float x0 y0 x1 y1 around the cells above 0, ends exclusive.

    A single row of cells has an area too, so that non-maximum suppression finds its duplicates.

    logits: (n, y, x), no mask empty.
    """
    boxes: Tensor = masks_to_boxes(logits > 0)
    boxes[:, 2:] += 1
    return boxes


def grid_points(per_side: int, size: tuple[int, int]) -> Tensor:
    """Return (per_side^2, 2) x, y in pixels of `size` = (H, W): the centres of a grid of equal cells, row by row."""
    shares = (torch.arange(per_side) + 0.5) / per_side
    y, x = torch.meshgrid(shares * size[0], shares * size[1], indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), dim=-1)


def stability(logits: Tensor, offset: float) -> Tensor:
    """Return (n,) the stability score: IoU of the masks at thresholds +offset and -offset; 0 where both are empty."""
    high, low = ((logits > threshold).flatten(1).sum(1).float() for threshold in (offset, -offset))  # (n,), (n,)
    return high / low.clamp(min=1)
