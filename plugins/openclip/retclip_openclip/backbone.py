"""An OpenCLIP model as a RetCLIP backbone: dense features, a vector per mask, a vector per name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import open_clip
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from retclip.algorithms.input_size import fitted_size, target_size
from retclip.algorithms.mask_pooling import area_weights, fcclip_weights
from retclip.errors import ConfigError
from retclip.plugin.batches import BatchSize
from retclip.plugin.checkpoints import state_digest
from retclip.plugin.pointwise import with_pointwise_linear
from retclip.plugin.resting_weights import rest_rounded
from retclip.types import DenseFeatures, Device, FeatureSpace, Image, MaskLogits, SegmentFeatures
from retclip_openclip import preprocessing
from retclip_openclip.convnext import ConvNextTower
from retclip_openclip.pretrained import model_with_weights, normalisation
from retclip_openclip.resnet import ResNetTower
from retclip_openclip.text import TEMPLATES, check_names, encoded
from retclip_openclip.vit import VitTower

if TYPE_CHECKING:
    from retclip_openclip import OpenClipSettings

VERSION = "1"  # raised whenever a number of these modules changes: vectors of two versions do not compare
Tower = ConvNextTower | ResNetTower | VitTower


class OpenClip:
    """A frozen CLIP model; `space` has the image tower's digest alone, so another text tower leaves a store valid."""

    def __init__(self, name: str, settings: OpenClipSettings, device: Device) -> None:
        self.settings, self.device = settings, device
        model: Any = model_with_weights(settings)  # OpenCLIP's classes are untyped
        digest = state_digest(model.visual.state_dict())
        self.mean, self.std = normalisation(settings)
        self.model: Any = model.to(device.torch_device)
        self.tower = tower_of(with_pointwise_linear(self.model.visual), settings)
        if self.tower.pads and device.torch_device.startswith("cuda"):
            self.model.visual.to(memory_format=torch.channels_last)  # convolutions only; no gain on the CPU
        self.batches = BatchSize(device)
        self.tokenizer = (
            open_clip.get_tokenizer(settings.model)
            if not settings.config
            else open_clip.SimpleTokenizer(context_length=self.model.context_length)
        )
        self.space = FeatureSpace(name, digest, self._preprocessing(), f"{settings.pooling}-1", self._dim())
        rest_rounded(self.model.visual, device)

    def dense_features(self, images: Sequence[Image]) -> list[DenseFeatures]:
        """Return one entry per image; images of the same input size share a batch."""
        inputs = [self._input(image) for image in images]
        dense = self.batches.run_alike([values for values, _ in inputs], lambda values: values.shape, self._dense)
        return [
            self._features(image, frame, *grid_and_levels)
            for image, (_, frame), grid_and_levels in zip(images, inputs, dense, strict=True)
        ]

    def segment_vectors(
        self, features: DenseFeatures, masks: Tensor, logits: MaskLogits | None = None
    ) -> SegmentFeatures:
        """Return vectors (n, d) float32 of unit length.

        masks: (n, y, x) float in [0, 1] over the whole image.
        logits: (n, y, x) the same before the sigmoid, in the network's padded input, where the proposer has them.
        """
        grid = features.grid  # (d_grid, h, w)
        size = (grid.shape[1], grid.shape[2])
        fcclip = self.settings.pooling != "area"
        if fcclip:
            weights = self._hard(masks, logits, size, features.extent).to(grid.device).float()  # (n, h, w)
        else:
            weights = area_weights(masks.to(grid.device).float(), size, features.extent)  # (n, h, w)
        vectors, covered = self.tower.pooled(grid, weights, fcclip).float(), _covered(weights)  # (n, d), (n,)
        uncovered = (~covered).nonzero()[:, 0]  # (m,) masks that vanish between the samples
        if self.settings.pooling == "fcclip_or_area" and len(uncovered):
            area = area_weights(masks.to(grid.device)[uncovered].float(), size, features.extent)
            area_covered = _covered(area)  # (m,)
            vectors[uncovered[area_covered]] = self.tower.pooled(grid, area[area_covered], False).float()
            covered[uncovered] = area_covered
        return SegmentFeatures(F.normalize(vectors, dim=-1), covered, self.space)

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:
        """Return (r, d) float32 of unit length, a row per name. Raises NamesTooLong."""
        if not names:
            return torch.zeros(0, self.space.dim)
        templates = TEMPLATES[self.settings.templates]
        check_names(names, templates, self.tokenizer, self.settings.model)
        return encoded(names, templates, self._sentences).to(self.device.torch_device)

    def _input(self, image: Image) -> tuple[Tensor, preprocessing.Frame]:
        size = target_size(image.size, self.settings.short_side, self.settings.long_side)
        if not self.tower.pads:
            size = fitted_size(size, self.tower.multiple)
        values = preprocessing.normalised(preprocessing.resized(image.pixels, size), self.mean, self.std)
        return preprocessing.padded(values, self.tower.multiple)

    def _features(
        self, image: Image, frame: preprocessing.Frame, grid: Tensor, levels: dict[str, Tensor]
    ) -> DenseFeatures:
        stride = image.size[0] / frame.inner[0] * frame.size[0] / grid.shape[1]
        return DenseFeatures(grid, self.space, image.size, stride, levels, frame.extent)

    def _dense(self, inputs: Sequence[Tensor]) -> list[tuple[Tensor, dict[str, Tensor]]]:
        batch = torch.stack(list(inputs)).to(self.device.torch_device)
        if self.tower.pads and batch.is_cuda:
            batch = batch.contiguous(memory_format=torch.channels_last)
        grid, levels = self.tower.dense(batch)
        return [(grid[n], {key: level[n] for key, level in levels.items()}) for n in range(len(inputs))]

    def _hard(
        self, masks: Tensor, logits: MaskLogits | None, size: tuple[int, int], extent: tuple[float, float]
    ) -> Tensor:
        """Return FC-CLIP's weights (n, h, w); probabilities without logits are thresholded at 0.5."""
        if logits is None:
            return fcclip_weights(masks.float() - 0.5, size, extent)
        return fcclip_weights(logits.values.float(), size)

    def _sentences(self, sentences: list[str]) -> Tensor:
        tokens = self.tokenizer(sentences).to(self.device.torch_device)
        with torch.autocast(tokens.device.type, enabled=False):  # text vectors are kept, so they are exact
            vectors: Tensor = self.model.encode_text(tokens)
        return vectors

    def _dim(self) -> int:
        probe = torch.zeros(1, 3, self.tower.multiple * 2, self.tower.multiple * 2, device=self.device.torch_device)
        with torch.inference_mode():
            grid = self.tower.dense(probe)[0][0]
            return int(self.tower.pooled(grid, torch.ones(1, *grid.shape[1:], device=grid.device), False).shape[1])

    def _preprocessing(self) -> str:
        settings = self.settings
        last = f", last block {settings.dense}" if isinstance(self.tower, VitTower) else ""
        mean, std = ([round(float(value), 4) for value in values] for values in (self.mean, self.std))
        fit = "padded" if self.tower.pads else "fitted"
        return (
            f"version {VERSION}: sides {settings.short_side} to {settings.long_side} bilinear, mean {mean}, std {std}, "
            f"{fit} to {self.tower.multiple}{last}"
        )


def _covered(weights: Tensor) -> Tensor:
    """Return (n,) bool, whether any cell has a weight above 0."""
    return weights.flatten(1).any(1)


def tower_of(visual: Any, settings: OpenClipSettings) -> Tower:
    """Return the dense path of an image tower. Raises ConfigError for a family without one."""
    if isinstance(visual, open_clip.model.ModifiedResNet):
        return ResNetTower(visual)
    if isinstance(visual, open_clip.transformer.VisionTransformer) and visual.attn_pool is None:
        return VitTower(visual, settings.dense)
    trunk = getattr(visual, "trunk", None)
    if all(hasattr(trunk, part) for part in ("stem", "stages", "norm_pre", "head")):
        return ConvNextTower(visual)
    kind = type(trunk if trunk is not None else visual).__name__
    todo = "choose a ViT, ConvNeXt or ResNet of OpenCLIP's"
    raise ConfigError(f"an image tower with a dense path in {settings.model}", kind, todo)
