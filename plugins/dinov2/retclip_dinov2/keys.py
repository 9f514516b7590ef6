"""`dinov2.keys`: retrieval embeddings from the patch tokens of DINOv2's last layer, averaged over the mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor
from transformers import AutoModel
from transformers.utils import logging

from retclip.algorithms.input_size import fitted_size, target_size
from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.data.images import resized
from retclip.plugin.batches import BatchSize
from retclip.plugin.checkpoints import state_digest
from retclip.plugin.grid_features import grid_features, normalised
from retclip.plugin.model_files import model_folder
from retclip.plugin.whole_weights import pretrained
from retclip.types import DenseFeatures, Device, FeatureSpace, Image, MaskLogits, SegmentFeatures
from retclip_dinov2 import PUBLISHED, KeysSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of values in [0, 1]
HEADS = ("classifier.",)  # a checkpoint may hold a classification head, which the patch tokens do not depend on
VERSION = "1"  # raised whenever a number of this module changes: vectors of two versions do not compare


class Keys:
    """A backbone without a text tower."""

    def __init__(self, settings: KeysSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        folder = model_folder(settings.model, PUBLISHED, "model")
        logging.disable_progress_bar()  # stderr is the user's
        model = pretrained(AutoModel.from_pretrained, folder, beside=HEADS)
        digest = state_digest(model.state_dict())
        self.model: Any = model.to(device.torch_device)
        self.batches = BatchSize(device)
        self.patch = int(model.config.patch_size)
        self.first = 1 + int(getattr(model.config, "num_register_tokens", 0))  # tokens that are no patches
        sides = f"{settings.short_side} to {settings.long_side}"
        preprocessing = f"version {VERSION}: sides {sides} bicubic, ImageNet mean and std, fitted to {self.patch}"
        self.space = FeatureSpace("dinov2.keys", digest, preprocessing, "area-1", int(model.config.hidden_size))

    def dense_features(self, images: Sequence[Image]) -> list[DenseFeatures]:
        """Return one entry per image: the normalised patch tokens of the last layer, (d, h, w) float32.

        Images of the same input size share a batch.
        """
        inputs = [network_input(image.pixels, self._size(image)) for image in images]
        return grid_features(images, inputs, self.batches, self._grids, self.space)

    def segment_vectors(
        self,
        features: DenseFeatures,
        masks: Tensor,
        logits: MaskLogits | None = None,  # noqa: ARG002  masks are averaged by the share that they cover
    ) -> SegmentFeatures:
        """Return vectors (n, d) float32 of unit length.

        masks: (n, y, x) float in [0, 1] over the whole image.
        """
        grid = features.grid  # (d, h, w)
        weights = area_weights(masks.to(grid.device), (grid.shape[1], grid.shape[2]))  # (n, h, w)
        vectors, covered = mask_pooling(grid, weights)  # (n, d), (n,)
        return SegmentFeatures(F.normalize(vectors.float(), dim=-1), covered, self.space)

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:  # noqa: ARG002
        """Return None, because DINOv2 has no text tower."""
        return None

    def _size(self, image: Image) -> tuple[int, int]:
        return fitted_size(target_size(image.size, self.settings.short_side, self.settings.long_side), self.patch)

    def _grids(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return (d, h, w) of each input (3, H, W), all of one size."""
        values = torch.stack(list(inputs)).to(self.device.torch_device)  # (b, 3, H, W)
        tokens = self.model(values).last_hidden_state[:, self.first :].float()  # (b, h * w, d)
        size = values.shape[2] // self.patch, values.shape[3] // self.patch
        return list(tokens.transpose(1, 2).unflatten(2, size).unbind())  # (b, h * w, d) -> b x (d, h, w)


def network_input(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Return (3, h, w) float32: resized bicubically over the 8-bit values, normalised by ImageNet's mean and std."""
    return normalised(resized(pixels, size, bicubic=True), MEAN, STD)
