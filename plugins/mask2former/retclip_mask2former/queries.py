"""`mask2former.queries`: a mask per query, from the feature maps of the frozen backbone."""

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
from retclip_mask2former.head import LEVELS, STRIDES, MaskHead, channels_of, class_logits, float32_products

if TYPE_CHECKING:
    from retclip_mask2former import QueriesSettings

NAME = "mask2former.queries"


class MaskQueries:
    """A proposer whose masks have logits and embeddings, for FC-CLIP's rules and its in-vocabulary head.

    exact: whether the head computes in float32 whatever the device's precision is.
    """

    def __init__(self, head: MaskHead, device: Device, exact: bool = True) -> None:
        self.device, self.exact = device, exact
        self.head = head.to(device.torch_device)
        self.batches = BatchSize(device)

    @classmethod
    def loaded(cls, settings: QueriesSettings, device: Device) -> MaskQueries:
        """Return a proposer with the head that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        return cls(load_head(settings)[0], device, settings.precision == "float32")

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],
    ) -> list[MaskProposals]:
        """Return one entry per image; objectness is 1 - the probability of "no object", 1 without text vectors.

        Raises ConfigError for features of other channels than the head's.
        """
        predictions = self.batches.run_alike(features, _finest_shape, self._queried)
        return [
            self._proposals(image, image_features, vocabulary, masks, embeddings)
            for image, image_features, (masks, embeddings) in zip(images, features, predictions, strict=True)
        ]

    def _queried(self, features: Sequence[DenseFeatures]) -> list[tuple[Tensor, Tensor]]:
        """Return mask logits (q, y, x) and embeddings (q, embed) of each image."""
        for image_features in features:
            self._check(image_features)
        levels = {
            name: torch.stack([image_features.levels[name] for image_features in features])
            .to(self.device.torch_device)
            .float()
            for name in LEVELS
        }
        with float32_products(levels["res5"], self.exact):  # as in FC-CLIP (method.md 2.1)
            outputs = self.head(levels, exact=self.exact)
        masks, embeddings = outputs.masks[-1].float(), outputs.embeddings[-1].float()
        return list(zip(masks.unbind(), embeddings.unbind(), strict=True))

    def _check(self, features: DenseFeatures) -> None:
        channels, expected = tuple(channels_of(features.levels)), self.head.shape.channels
        if channels != expected:
            todo = "name the head that was fine-tuned over this backbone: [plugin.mask2former.queries] weights"
            raise ConfigError(
                f"feature maps of {expected} channels for {NAME}", f"{channels} from {features.space.backbone}", todo
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
    """Return the shape of the finest feature map; images of equal shape share a batch."""
    return tuple(features.levels[LEVELS[0]].shape) if LEVELS[0] in features.levels else ()
