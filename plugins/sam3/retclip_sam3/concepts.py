"""`sam3.concepts`: the photo is encoded once, every name and synonym is asked for, its instances come back as masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms
from transformers import AutoImageProcessor, AutoTokenizer, Sam3Model
from transformers.utils import logging

from retclip.errors import ConfigError
from retclip.plugin.weights import model_folder
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
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model = Sam3Model.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self.model: Any = model.eval().requires_grad_(False).to(device.torch_device)

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """One entry per image. objectness: the instance's score times the probability that the concept is there at all.
        Raises ConfigError for a name that the model would cut off."""
        texts = [self._text(term) for term in vocabulary.terms]
        return [self._proposals(image, vocabulary, texts) for image in images]

    def _text(self, term: str) -> Any:
        ids = self.tokenizer(term)["input_ids"]
        if len(ids) > TOKENS:
            got = f"{term[:60]!r} with {len(ids)}"
            raise ConfigError(f"names of at most {TOKENS} tokens for SAM 3", got, "shorten it, or leave it out")
        packed = self.tokenizer(term, padding="max_length", max_length=TOKENS, return_tensors="pt")
        return packed.to(self.device.torch_device)

    def _proposals(self, image: Image, vocabulary: Vocabulary, texts: Sequence[Any]) -> MaskProposals:
        if not texts:
            return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())
        channels = {"input_data_format": "channels_last"}  # a photo three pixels high is misread otherwise
        pixels = self.processor(images=image.pixels.copy(), return_tensors="pt", **channels)["pixel_values"]
        seen = self.model.get_vision_features(pixel_values=pixels.to(self.device.torch_device))
        answers = [self._found(seen, text) for text in texts]
        logits, scores, boxes = (torch.cat(several) for several in zip(*answers, strict=True))
        counts = [len(one[1]) for one in answers]
        owners = torch.as_tensor(vocabulary.row_class).repeat_interleave(torch.tensor(counts)).to(scores.device)
        kept = batched_nms(boxes, scores, owners, self.settings.nms)  # best first
        size = (int(logits.shape[1]), int(logits.shape[2]))
        masks = MaskLogits(logits[kept], size, size)
        prompts = tuple(vocabulary.names[owner] for owner in owners[kept].tolist())
        return MaskProposals(masks.values.sigmoid(), scores[kept], image.size, prompts, logits=masks)

    def _found(self, seen: Any, text: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits (m, y, x), scores (m,) and boxes (m, 4) of one concept's instances above the threshold."""
        said = self.model(vision_embeds=seen, input_ids=text["input_ids"], attention_mask=text["attention_mask"])
        scores = said.pred_logits[0].float().sigmoid() * said.presence_logits[0].float().sigmoid()
        kept = scores > self.settings.score_threshold
        return said.pred_masks[0][kept].float(), scores[kept], said.pred_boxes[0][kept].float()
