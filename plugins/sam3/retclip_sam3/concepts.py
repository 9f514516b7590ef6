"""`sam3.concepts`: the photo is encoded once, every name and synonym is a text prompt, its instances are the masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms
from transformers import AutoImageProcessor, AutoTokenizer, Sam3Model
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import logging

from retclip.plugin.batches import BatchSize
from retclip.plugin.model_files import model_folder
from retclip.plugin.read_names import check_read_whole, tell_read_alike
from retclip.plugin.whole_weights import companion, pretrained
from retclip.types import DenseFeatures, Device, Image, MaskLogits, MaskProposals, Vocabulary
from retclip_sam3 import PUBLISHED, ConceptsSettings

TOKENS = 32  # context length of SAM 3's text encoder (method.md 6.5)


class Concepts:
    """A class-aware proposer with mask logits; SAM 3 resizes the photo to a square, so its grid has no padding."""

    def __init__(self, settings: ConceptsSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        folder = model_folder(settings.model, PUBLISHED, "model")
        logging.disable_progress_bar()  # stderr is the user's
        self.tokenizer: Any = companion(AutoTokenizer.from_pretrained, folder)
        self.processor: Any = companion(AutoImageProcessor.from_pretrained, folder)
        self.model: Any = pretrained(Sam3Model.from_pretrained, folder).to(device.torch_device)
        self.batches = BatchSize(Device(device.torch_device, device.dtype, settings.names_at_once))

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image; objectness is the instance's score times the concept's presence probability.

        Raises NamesTooLong.
        """
        texts = self.batches.run(vocabulary.terms, self._read)
        return [self._proposals(image, vocabulary, texts) for image in images]

    def _read(self, terms: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
        """Return each term's token features (t, d) and attention mask (t,)."""
        ids = dict(zip(terms, self.tokenizer(list(terms))["input_ids"], strict=True))
        check_read_whole({term: len(term_ids) for term, term_ids in ids.items()}, TOKENS, "SAM 3")
        tell_read_alike(ids, "SAM 3")
        batch = self.tokenizer(list(terms), padding="max_length", max_length=TOKENS, return_tensors="pt")
        batch = batch.to(self.device.torch_device)
        embeddings = self.model.get_text_features(batch["input_ids"], batch["attention_mask"]).pooler_output
        return list(zip(embeddings.unbind(), batch["attention_mask"].unbind(), strict=True))

    def _proposals(self, image: Image, vocabulary: Vocabulary, texts: Sequence[tuple[Tensor, Tensor]]) -> MaskProposals:
        if not texts:
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        vision_features = self.model.get_vision_features(pixel_values=pixels.to(self.device.torch_device))
        instances = self.batches.run(texts, lambda batch: self._found(vision_features, batch))
        logits, scores, boxes = (torch.cat(tensors) for tensors in zip(*instances, strict=True))
        counts = [len(concept[1]) for concept in instances]
        class_of = torch.as_tensor(vocabulary.row_class).repeat_interleave(torch.tensor(counts)).to(scores.device)
        keep = batched_nms(boxes, scores, class_of, self.settings.nms)  # best first
        size = (int(logits.shape[1]), int(logits.shape[2]))
        masks = MaskLogits(logits[keep], size, size)
        prompts = tuple(vocabulary.names[index] for index in class_of[keep].tolist())
        detector_scores = scores[keep]
        return MaskProposals(
            masks.values.sigmoid(), detector_scores, image.size, prompts, logits=masks, detector_scores=detector_scores
        )

    def _found(
        self, vision_features: Any, texts: Sequence[tuple[Tensor, Tensor]]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return per concept mask logits (m, y, x), scores (m,) and boxes (m, 4) of instances above the threshold."""
        features, attention_mask = (torch.stack(tensors) for tensors in zip(*texts, strict=True))
        text_features = BaseModelOutputWithPooling(pooler_output=features)
        output = self.model(
            vision_embeds=repeated(vision_features, len(texts)),
            text_embeds=text_features,
            attention_mask=attention_mask,
        )
        scores = output.pred_logits.float().sigmoid() * output.presence_logits.float().sigmoid()  # (b, q) * (b, 1)
        return [
            (masks[keep].float(), concept_scores[keep], boxes[keep].float())
            for masks, concept_scores, boxes, keep in zip(
                output.pred_masks, scores, output.pred_boxes, scores > self.settings.score_threshold, strict=True
            )
        ]


def repeated(vision_features: Any, count: int) -> Any:
    """Return one photo's vision features, expanded to a batch of `count` without a copy."""
    names = ("fpn_hidden_states", "fpn_position_encoding")
    return type(vision_features)(
        **{
            name: tuple(feature_map.expand(count, *feature_map.shape[1:]) for feature_map in vision_features[name])
            for name in names
        }
    )
