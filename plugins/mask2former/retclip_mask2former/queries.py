"""`mask2former.queries`: a mask per query, over the feature maps that the backbone has worked out already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retclip.algorithms.mask_frames import grid_probabilities
from retclip.errors import ConfigError
from retclip.plugin.batches import BatchSize
from retclip.types import DenseFeatures, Device, Image, MaskLogits, MaskProposals, Vocabulary
from retclip_mask2former.checkpoint import load_head
from retclip_mask2former.head import LEVELS, STRIDES, MaskHead, channels_of, class_logits

if TYPE_CHECKING:
    from retclip_mask2former import HeadSettings

NAME = "mask2former.queries"


class MaskQueries:
    """A proposer whose masks carry their logits and a vector each, for FC-CLIP's rules and its in-vocabulary head."""

    def __init__(self, head: MaskHead, device: Device) -> None:
        self.device = device
        self.head = head.to(device.torch_device)
        self.batches = BatchSize(device)

    @classmethod
    def loaded(cls, settings: HeadSettings, device: Device) -> MaskQueries:
        """With the head that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        return cls(load_head(settings)[0], device)

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],
    ) -> list[MaskProposals]:
        """One entry per image. objectness: 1 - the probability of "no object" among the vocabulary's classes, 1 where
        the vocabulary has no text. Raises ConfigError for features that this head was not made for."""
        answers = self.batches.run_alike(features, _finest_shape, self._queried)
        return [
            self._proposals(image, one, vocabulary, masks, embeddings)
            for image, one, (masks, embeddings) in zip(images, features, answers, strict=True)
        ]

    def _queried(self, features: Sequence[DenseFeatures]) -> list[tuple[Tensor, Tensor]]:
        """Mask logits (q, y, x) and embeddings (q, embed) of each image."""
        for one in features:
            self._check(one)
        levels = {
            name: torch.stack([one.levels[name] for one in features]).to(self.device.torch_device).float()
            for name in LEVELS
        }
        with torch.autocast(levels["res5"].device.type, enabled=False):  # float32 as in FC-CLIP (method.md 2.1)
            said = self.head(levels)
        return list(zip(said.masks[-1].unbind(), said.embeddings[-1].unbind(), strict=True))

    def _check(self, features: DenseFeatures) -> None:
        got, wanted = tuple(channels_of(features.levels)), self.head.shape.channels
        if got != wanted:
            todo = "name the head that was fine-tuned over this backbone: [plugin.mask2former.queries] weights"
            raise ConfigError(
                f"feature maps of {wanted} channels for {NAME}", f"{got} from {features.space.backbone}", todo
            )

    def _proposals(
        self, image: Image, features: DenseFeatures, vocabulary: Vocabulary, masks: Tensor, embeddings: Tensor
    ) -> MaskProposals:
        objectness = self._objectness(embeddings, vocabulary)
        order = objectness.argsort(descending=True, stable=True)
        rows, columns = features.levels[LEVELS[0]].shape[1:]
        frame = (int(rows) * STRIDES[0], int(columns) * STRIDES[0])
        inner = (round(features.extent[0] * frame[0]), round(features.extent[1] * frame[1]))
        logits = MaskLogits(masks[order], frame, inner)
        grid = (max(1, -(-inner[0] // STRIDES[0])), max(1, -(-inner[1] // STRIDES[0])))
        return MaskProposals(
            masks=grid_probabilities(logits, grid),
            objectness=objectness[order],
            image_size=image.size,
            embeddings=embeddings[order],
            logits=logits,
        )

    def _objectness(self, embeddings: Tensor, vocabulary: Vocabulary) -> Tensor:
        if vocabulary.text is None or vocabulary.text.shape[1] != embeddings.shape[1]:
            return torch.ones(len(embeddings), device=embeddings.device)
        rows = torch.as_tensor(vocabulary.row_class)
        head = self.head
        logits = class_logits(embeddings, vocabulary.text, rows, len(vocabulary), head.void, head.scale)
        return 1.0 - logits.float().softmax(-1)[:, -1]


def _finest_shape(features: DenseFeatures) -> tuple[int, ...]:
    """Images whose finest maps are alike can share a batch."""
    return tuple(features.levels[LEVELS[0]].shape) if LEVELS[0] in features.levels else ()
