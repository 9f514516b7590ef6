"""`owlv2.boxes`: one filled box per detection, with the class it was detected for (method.md 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_convert, nms
from transformers import AutoImageProcessor, AutoTokenizer, Owlv2ForObjectDetection
from transformers.utils import logging

from retclip.plugin.batches import BatchSize
from retclip.plugin.model_files import model_folder
from retclip.plugin.read_names import check_read_whole, tell_read_alike
from retclip.plugin.whole_weights import companion, pretrained
from retclip.types import DenseFeatures, Device, Image, MaskProposals, Vocabulary
from retclip_owlv2 import PUBLISHED, BoxesSettings


class Boxes:
    """A class-aware proposer: a text query per name and synonym, and one pass of the image encoder for all of them."""

    def __init__(self, settings: BoxesSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        folder = model_folder(settings.model, PUBLISHED, "model")
        logging.disable_progress_bar()  # stderr is the user's
        self.tokenizer: Any = companion(AutoTokenizer.from_pretrained, folder)
        self.processor: Any = companion(AutoImageProcessor.from_pretrained, folder)
        self.model: Any = pretrained(Owlv2ForObjectDetection.from_pretrained, folder).to(device.torch_device)
        self.length = int(self.model.config.text_config.max_position_embeddings)
        self.batches = BatchSize(Device(device.torch_device, device.dtype, settings.names_at_once))

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image; a box has the class of its best term, and that term's score as objectness.

        Raises NamesTooLong.
        """
        terms = vocabulary.terms
        queries = torch.stack(self.batches.run(terms, self._read)) if terms else None
        return [self._proposals(image, vocabulary, queries) for image in images]

    def _read(self, terms: Sequence[str]) -> list[Tensor]:
        """Return a text vector per term."""
        texts = [self.settings.template.format(term) for term in terms]
        ids = dict(zip(terms, self.tokenizer(texts)["input_ids"], strict=True))
        check_read_whole({term: len(term_ids) for term, term_ids in ids.items()}, self.length, "OWLv2")
        tell_read_alike(ids, "OWLv2")
        batch = self.tokenizer(texts, padding="max_length", max_length=self.length, return_tensors="pt")
        batch = batch.to(self.device.torch_device)
        output = self.model.owlv2.text_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        return list(self.model.owlv2.text_projection(output.pooler_output).unbind())

    def _proposals(self, image: Image, vocabulary: Vocabulary, queries: Tensor | None) -> MaskProposals:
        if queries is None:
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
        scores, terms, boxes = self._detected(image, queries)
        valid = (boxes[:, 2:] > boxes[:, :2]).all(1)  # (m,): not entirely in the padding
        keep = ((scores >= self.settings.box_threshold) & valid).nonzero()[:, 0]
        keep = keep[nms(boxes[keep], scores[keep], self.settings.nms)]  # best first
        owners = vocabulary.row_class[terms[keep].cpu().numpy()]
        masks = filled(boxes[keep] / torch.tensor(image.size[::-1] * 2, device=boxes.device), self._grid(image))
        prompts, detector_scores = tuple(vocabulary.names[owner] for owner in owners), scores[keep]
        return MaskProposals(masks, detector_scores, image.size, prompts, detector_scores=detector_scores)

    def _detected(self, image: Image, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return of every patch the score and index of its best term (m,), (m,), and its box (m, 4) in image pixels."""
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        maps, _ = self.model.image_embedder(pixel_values=pixels.to(self.device.torch_device))
        patches = maps.flatten(1, 2)  # (1, hw, width)
        logits, _ = self.model.class_predictor(patches, queries[None])
        best, terms = logits[0].float().max(dim=1)
        corners = box_convert(self.model.box_predictor(patches, maps)[0].float(), "cxcywh", "xyxy")
        inside = torch.tensor(image.size[::-1] * 2, device=corners.device)
        boxes = (corners * max(image.size)).clamp(min=0).minimum(inside)  # it was padded to a square
        return best.sigmoid(), terms, boxes

    def _grid(self, image: Image) -> tuple[int, int]:
        shrink = self.settings.side / max(image.size)
        return max(1, round(image.size[0] * shrink)), max(1, round(image.size[1] * shrink))


def filled(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (n, y, x) in [0, 1], the share of each grid cell that each box covers.

    boxes: (n, 4) x0 y0 x1 y1 as shares of the photo.
    size: (y, x) of the grid.

    Worked example: a box over the left third on two columns covers 2/3 and 0.
    """
    columns = _covered(boxes[:, 0], boxes[:, 2], size[1])
    rows = _covered(boxes[:, 1], boxes[:, 3], size[0])
    return rows[:, :, None] * columns[:, None, :]


def _covered(start: Tensor, end: Tensor, cells: int) -> Tensor:
    edges = torch.arange(cells + 1, device=start.device, dtype=torch.float32)
    left = torch.maximum(start[:, None] * cells, edges[None, :-1])
    right = torch.minimum(end[:, None] * cells, edges[None, 1:])
    return (right - left).clamp(0, 1)
