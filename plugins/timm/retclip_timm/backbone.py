"""A network's stages side by side, averaged over masks.

    v = unit(unit(mean over the mask of stage 1), unit(mean over the mask of stage 2), ...)

Each stage is brought to unit length by itself, so that none outweighs another by the size of its numbers. The stages
before the last may be of a larger copy of the photo: they see details, the last one whole things, of the size that they
had in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float
from torch import Tensor

from retclip.algorithms.input_size import fitted_size, target_size
from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.data.images import resized
from retclip.plugin.batches import BatchSize
from retclip.plugin.grid_features import grid_features, normalised
from retclip.types import DenseFeatures, Device, FeatureSpace, Image, LabelLogits, MaskLogits, SegmentFeatures
from retclip_timm.network import Head, Stages

LAST_STAGE = "last stage"  # the level that holds it, on its own grid, where the others are of a larger photo
VERSION = "1"  # raised whenever a number of this module changes: vectors of two versions do not compare


class StageBackbone:
    """A backbone without a text tower.

    name: the component's full name.
    short_side, long_side: pixels; the photo's sides after the resize.
    head: for the network's own labels; None = they are not asked for. Vectors are the same with and without.
    finer_side: pixels, the shorter side for the stages before the last; 0 = `short_side`.
    """

    def __init__(
        self,
        name: str,
        stages: Stages,
        short_side: int,
        long_side: int,
        device: Device,
        head: Head | None = None,
        finer_side: int = 0,
    ) -> None:
        self.stages, self.short_side, self.long_side, self.device = stages, short_side, long_side, device
        self.head, self.finer_side = head, finer_side or short_side
        stages.model.to(device.torch_device)
        self.batches = BatchSize(device)
        finer = f", finer stages {finer_side}" if self.finer_side != short_side else ""
        preprocessing = (
            f"version {VERSION}: {stages.architecture}, strides {stages.strides}, sides {short_side} to {long_side}"
            f"{finer} bicubic, mean {stages.mean} and std {stages.std}"
        )
        self.space = FeatureSpace(name, stages.digest, preprocessing, "area-1", sum(stages.channels))

    def dense_features(self, images: Sequence[Image]) -> list[DenseFeatures]:
        """Return per image the stages side by side on the grid of the finest, (d, h, w) float32.

        A coarser stage is repeated there: averaged over a mask that is the same as on its own grid. Images that come
        out the same size go through the network together. Where the finer stages are of a larger photo, the last one is
        interpolated on their grid, for whoever shares it, and a level beside it, of which the vectors are made.
        """
        described = self._at_side(images, self.short_side, self.stages)
        if self.finer_side == self.short_side:
            return described
        finer = self._at_side(images, self.finer_side, self.stages.without_last())
        return [self._joined(*both) for both in zip(finer, described, strict=True)]

    def _joined(self, finer: DenseFeatures, described: DenseFeatures) -> DenseFeatures:
        """Put the last stage of a photo behind the finer ones of a larger copy, between its cells interpolated."""
        last = self._last_stage(described)  # (d_l, h_l, w_l)
        repeated = F.interpolate(last[None], finer.grid.shape[1:], mode="bilinear")[0]  # (d_l, h, w)
        return replace(finer, grid=torch.cat([finer.grid, repeated]), levels={LAST_STAGE: last})

    def segment_vectors(
        self,
        features: DenseFeatures,
        masks: Float[Tensor, "n y x"],
        logits: MaskLogits | None = None,  # noqa: ARG002  masks are averaged by the share that they cover
    ) -> SegmentFeatures:
        """Return vectors (n, d) float32 of unit length. masks: (n, y, x) float in [0, 1] over the whole image."""
        grid = features.grid  # (d, h, w)
        return self.weighted_vectors(features, area_weights(masks.to(grid.device), (grid.shape[1], grid.shape[2])))

    def weighted_vectors(self, features: DenseFeatures, weights: Float[Tensor, "n h w"]) -> SegmentFeatures:
        """Return vectors (n, d) as `segment_vectors`. weights: (n, h, w) share of each cell that each mask covers."""
        grid, channels = features.grid, self.stages.channels
        last, apart = self._last_stage(features), LAST_STAGE in features.levels  # (d_l, h_l, w_l)
        if apart:  # the last stage's own cells do not begin where the finer ones do
            grid, channels = grid[: -channels[-1]], channels[:-1]
        means, covered = mask_pooling(grid, weights)  # (n, d), (n,)
        parts = list(means.float().split(channels, dim=1))  # (n, d_i) of each stage
        labels = None
        if self.head is not None or apart:
            cells = area_weights(weights, (last.shape[1], last.shape[2]))  # (n, h_l, w_l)
            if apart:
                parts.append(mask_pooling(last, cells)[0].float())
            labels = None if self.head is None else self._label_logits(self.head, last, cells)
        units = [F.normalize(part, dim=-1) for part in parts]
        return SegmentFeatures(F.normalize(torch.cat(units, dim=1), dim=-1), covered, self.space, labels)

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:  # noqa: ARG002
        """Return None: the network cannot read."""
        return None

    def _label_logits(
        self, head: Head, stage: Float[Tensor, "d_l h_l w_l"], cells: Float[Tensor, "n h_l w_l"]
    ) -> LabelLogits:
        """Return the logits of masks and image, from the mean of the last map over each."""
        last = head.last(stage[None])[0]  # (e, h_l, w_l)
        means, _ = mask_pooling(last, cells)  # (n, e)
        whole = last.mean(dim=(1, 2))[None]  # (1, e)
        logits = head.classifier(torch.cat([means.to(whole), whole])).float()  # (n + 1, l)
        return LabelLogits(head.labels, logits[:-1], logits[-1])

    def _last_stage(self, features: DenseFeatures) -> Float[Tensor, "d_l h_l w_l"]:
        """Return the last stage on its own grid; without a level of it, each of its cells is a square of the finest."""
        step = self.stages.strides[-1] // self.stages.strides[0]
        repeated = features.grid[-self.stages.channels[-1] :, ::step, ::step]
        return features.levels.get(LAST_STAGE, repeated)

    def _at_side(self, images: Sequence[Image], side: int, stages: Stages) -> list[DenseFeatures]:
        """Return some stages side by side, one entry per image, whose shorter side is `side` pixels."""
        inputs = [self._input(image, side) for image in images]
        return grid_features(images, inputs, self.batches, partial(self._grids, stages), self.space)

    def _input(self, image: Image, side: int) -> Float[Tensor, "3 H W"]:
        longest = round(side * self.long_side / self.short_side)
        size = fitted_size(target_size(image.size, side, longest), max(self.stages.strides))
        return normalised(resized(image.pixels, size, bicubic=True), self.stages.mean, self.stages.std)

    def _grids(self, stages: Stages, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return (d, h, w) of each input (3, H, W), all of one size."""
        maps = stages(torch.stack(list(inputs)).to(self.device.torch_device))  # (b, d_i, h_i, w_i)
        finest = max((stage.shape[-2:] for stage in maps), key=lambda size: size[0])
        return list(torch.cat([F.interpolate(stage, finest, mode="nearest") for stage in maps], dim=1).unbind())
