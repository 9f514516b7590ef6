"""Grounding DINO: boxes in image pixels, each with the term it was detected for (method.md 6.1 to 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_convert, nms
from transformers import AutoImageProcessor, AutoTokenizer, GroundingDinoForObjectDetection
from transformers.utils import logging

from retclip.plugin.model_files import model_folder
from retclip.plugin.whole_weights import companion, pretrained
from retclip.types import Device, Image
from retclip_grounded_sam import PUBLISHED, BoxesSettings
from retclip_grounded_sam.prompts import Prompt, Special, prompts, term_scores


@dataclass(frozen=True, eq=False)
class Detections:
    """m detections, best first.

    boxes: (m, 4) float, x0 y0 x1 y1 in image pixels.
    scores: (m,) in [0, 1].
    terms: (m,) int64, index of the term.
    """

    boxes: Tensor
    scores: Tensor
    terms: Tensor


class Detector:
    """A frozen Grounding DINO with its tokenizer and image processor, from a folder in transformers' form."""

    def __init__(self, folder: Path, settings: BoxesSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        logging.disable_progress_bar()  # stderr is the user's
        self.tokenizer: Any = companion(AutoTokenizer.from_pretrained, folder)
        self.processor: Any = companion(AutoImageProcessor.from_pretrained, folder)
        model = pretrained(GroundingDinoForObjectDetection.from_pretrained, folder)
        self.model: Any = model.to(device.torch_device)
        stop = self.tokenizer.convert_tokens_to_ids(".")
        unknown = self.tokenizer.unk_token_id
        self.special = Special(self.tokenizer.cls_token_id, self.tokenizer.sep_token_id, stop, unknown)

    def detect(self, image: Image, terms: tuple[str, ...]) -> Detections:
        """Return boxes of all terms above the threshold, after non-maximum suppression within and across prompts."""
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        inputs = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels).to(
            self.device.torch_device
        )
        packed = prompts(terms, self._tokens, self.special, self.settings.tokens)
        per_prompt = [self._prompted(inputs, prompt, image.size) for prompt in packed]
        if not per_prompt:
            return Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
        boxes = torch.cat([detections.boxes for detections in per_prompt])  # (m, 4)
        scores = torch.cat([detections.scores for detections in per_prompt])  # (m,)
        term_of = torch.cat([detections.terms for detections in per_prompt])  # (m,)
        sizes = torch.tensor([len(detections.scores) for detections in per_prompt])
        prompt_of = torch.arange(len(per_prompt)).repeat_interleave(sizes).to(boxes.device)  # (m,)
        keep = batched_nms(boxes, scores, prompt_of, self.settings.nms_within)
        keep = keep[nms(boxes[keep], scores[keep], self.settings.nms_across)]
        return Detections(boxes[keep], scores[keep], term_of[keep])

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _prompted(self, inputs: Any, prompt: Prompt, size: tuple[int, int]) -> Detections:
        ids = torch.tensor([prompt.ids], device=self.device.torch_device)
        output = self.model(
            **inputs, input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.zeros_like(ids)
        )
        scores, best = term_scores(output.logits[0], prompt).max(dim=1)  # (queries, terms) -> (queries,), (queries,)
        keep = scores >= self.settings.box_threshold  # (queries,)
        term_of = torch.tensor(prompt.terms, device=best.device)[best[keep]]  # (m,)
        return Detections(in_pixels(output.pred_boxes[0][keep].float(), size), scores[keep], term_of)


def in_pixels(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (m, 4) x0 y0 x1 y1 in pixels, clipped to the image.

    boxes: (m, 4) centre x, centre y, width and height as shares of `size`.
    size: (H, W) in pixels.
    """
    corners: Tensor = box_convert(boxes, "cxcywh", "xyxy").clamp(0, 1)
    return corners * torch.tensor([size[1], size[0], size[1], size[0]], device=boxes.device)


def load_detector(settings: BoxesSettings, device: Device) -> Detector:
    """The detector that the settings name. Raises WeightsMissing, WeightsDamaged."""
    return Detector(model_folder(settings.detector, PUBLISHED, "detector"), settings, device)
