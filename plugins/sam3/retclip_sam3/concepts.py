"""`sam3.concepts`: the photo is encoded once, every name and synonym is asked for, its instances come back as masks."""

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

TOKENS = 32  # that SAM 3 reads of a name (method.md 6.5)


class Concepts:
    """A prompted proposer. Masks bring their logits; SAM 3 squeezes the photo into a square, so that its grid covers
    the photo and nothing else."""

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
        """One entry per image. objectness: the instance's score times the probability that the concept is there at all.
        Raises NamesTooLong."""
        texts = self.batches.run(vocabulary.terms, self._read)
        return [self._proposals(image, vocabulary, texts) for image in images]

    def _read(self, terms: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
        """Of each term the features of its tokens (t, d) and which of them are text (t,)."""
        ids = dict(zip(terms, self.tokenizer(list(terms))["input_ids"], strict=True))
        check_read_whole({term: len(several) for term, several in ids.items()}, TOKENS, "SAM 3")
        tell_read_alike(ids, "SAM 3")
        packed = self.tokenizer(list(terms), padding="max_length", max_length=TOKENS, return_tensors="pt")
        packed = packed.to(self.device.torch_device)
        said = self.model.get_text_features(packed["input_ids"], packed["attention_mask"]).pooler_output
        return list(zip(said.unbind(), packed["attention_mask"].unbind(), strict=True))

    def _proposals(self, image: Image, vocabulary: Vocabulary, texts: Sequence[tuple[Tensor, Tensor]]) -> MaskProposals:
        if not texts:
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        seen = self.model.get_vision_features(pixel_values=pixels.to(self.device.torch_device))
        answers = self.batches.run(texts, lambda some: self._found(seen, some))
        logits, scores, boxes = (torch.cat(several) for several in zip(*answers, strict=True))
        counts = [len(one[1]) for one in answers]
        owners = torch.as_tensor(vocabulary.row_class).repeat_interleave(torch.tensor(counts)).to(scores.device)
        kept = batched_nms(boxes, scores, owners, self.settings.nms)  # best first
        size = (int(logits.shape[1]), int(logits.shape[2]))
        masks = MaskLogits(logits[kept], size, size)
        prompts = tuple(vocabulary.names[owner] for owner in owners[kept].tolist())
        sure = scores[kept]
        return MaskProposals(masks.values.sigmoid(), sure, image.size, prompts, logits=masks, detector_scores=sure)

    def _found(self, seen: Any, texts: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Per concept mask logits (m, y, x), scores (m,) and boxes (m, 4) of its instances above the threshold."""
        features, read = (torch.stack(several) for several in zip(*texts, strict=True))
        words = BaseModelOutputWithPooling(pooler_output=features)
        said = self.model(vision_embeds=repeated(seen, len(texts)), text_embeds=words, attention_mask=read)
        scores = said.pred_logits.float().sigmoid() * said.presence_logits.float().sigmoid()  # (b, q) * (b, 1)
        return [
            (masks[kept].float(), some[kept], boxes[kept].float())
            for masks, some, boxes, kept in zip(
                said.pred_masks, scores, said.pred_boxes, scores > self.settings.score_threshold, strict=True
            )
        ]


def repeated(seen: Any, count: int) -> Any:
    """One photo's vision features as those of a batch of the same photo; nothing is copied."""
    names = ("fpn_hidden_states", "fpn_position_encoding")
    return type(seen)(**{name: tuple(one.expand(count, *one.shape[1:]) for one in seen[name]) for name in names})
