"""The kit catches backbones that are silently wrong and says what is wrong; it accuses none that is right.

Two right ones, a network of random weights and plain colours, and what plugins do to them by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pytest
import torch
import torch.nn.functional as F
from pydantic import Field

from retclip.algorithms.input_size import target_size
from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.data.images import resized
from retclip.plugin import Component, Settings
from retclip.plugin.batches import BatchSize
from retclip.plugin.checkpoints import state_digest
from retclip.plugin.conformance import CheckResult, check_component
from retclip.plugin.discovery import ComponentInfo
from retclip.types import DenseFeatures, FeatureSpace, SegmentFeatures

MULTIPLE = 16


class Options(Settings):
    """Settings of every kind that matter to the vectors, and one that does not."""

    short_side: int = Field(64, ge=16, description="pixels")
    long_side: int = Field(192, ge=16, description="pixels")
    gain: float = Field(1.0, gt=0, description="contrast")
    smooth: bool = Field(False, description="blur the grid")
    norm: Literal["each", "whole"] = Field("each", description="what is brought to unit length")
    channels: tuple[int, ...] = Field((0, 1, 2), description="colours that are read")
    verbose: bool = Field(False, description="nothing that matters")


class Right:
    """A network of random weights, padded to multiples of 16; `extent` says so. Subclasses break one thing each."""

    text: Any = None
    forgotten: ClassVar[set[str]] = {"verbose"}

    def __init__(self, options: Options, device: Any) -> None:
        self.options, self.device, self.batches = options, device, BatchSize(device)
        self.load()
        self.space = FeatureSpace("own.one", self.word(), self.preprocessing(), "area-1", self.dim())

    def load(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed())
            layers, width = [], 3
            for channels in (24, 32, 48):
                norm = torch.nn.BatchNorm2d(channels)
                norm.running_mean.normal_(0, 0.1), norm.running_var.uniform_(0.5, 1.5)
                layers += [torch.nn.Conv2d(width, channels, 3, 2, 1), norm, torch.nn.GELU()]
                width = channels
        self.model = torch.nn.Sequential(*layers).eval().requires_grad_(False)

    def seed(self) -> int:
        return 0

    def dim(self) -> int:
        return 48

    def word(self) -> str:
        return state_digest(self.model.state_dict())

    def preprocessing(self) -> str:
        return self.options.model_dump_json(exclude=self.forgotten)

    def size(self, image: Any) -> tuple[int, int]:
        return target_size(image.size, self.options.short_side, self.options.long_side)

    def pixels(self, image: Any) -> torch.Tensor:
        """(3, h, w) of the resized photo."""
        pixels = resized(image.pixels, self.size(image))
        values = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float() / 128 - 1
        kept = torch.zeros(3)
        kept[list(self.options.channels)] = 1
        return values * self.options.gain * kept[:, None, None]

    def padded(self, values: torch.Tensor) -> tuple[torch.Tensor, tuple[float, float]]:
        height, width = values.shape[1:]
        down, right = -height % MULTIPLE, -width % MULTIPLE
        return F.pad(values, (0, right, 0, down)), (height / (height + down), width / (width + right))

    def network(self, batch: torch.Tensor) -> torch.Tensor:
        grid = self.model(batch)
        return F.avg_pool2d(grid, 3, 1, 1, count_include_pad=False) if self.options.smooth else grid

    def dense_features(self, images):
        inputs = [self.padded(self.pixels(image)) for image in images]
        grids = self.batches.run_alike(
            [values for values, _ in inputs], lambda values: values.shape,
            lambda several: list(self.network(torch.stack(list(several)))),
        )  # fmt: skip
        return [
            DenseFeatures(grid, self.space, image.size, image.size[0] / (grid.shape[1] * extent[0]), {}, extent)
            for grid, image, (_, extent) in zip(grids, images, inputs, strict=True)
        ]

    def weights(self, features, masks):
        return area_weights(masks, features.grid.shape[1:], features.extent)

    def segment_vectors(self, features, masks, logits=None):
        means, covered = mask_pooling(features.grid, self.weights(features, masks))
        if self.options.norm == "whole":
            means = means - means.mean(dim=1, keepdim=True)
        return SegmentFeatures(F.normalize(means, dim=-1), covered, self.space)

    def text_vectors(self, names):
        return self.text(names) if self.text else None


class RightColours(Right):
    """Mean colours of cells of 4 pixels, with a constant: no network at all."""

    def load(self) -> None:
        pass

    def word(self) -> str:
        return "none"

    def dim(self) -> int:
        return 4

    def network(self, batch):
        colours = F.avg_pool2d(batch, 8)
        grid = torch.cat([colours, torch.ones_like(colours[:, :1])], dim=1)
        return F.avg_pool2d(grid, 3, 1, 1, count_include_pad=False) if self.options.smooth else grid


Change = Callable[..., Any]


def on_grid(change: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    """A backbone whose network's answer is changed, batch and all: (b, d, h, w)."""
    return lambda right: type("OnGrid", (right,), {"network": lambda self, batch: change(right.network(self, batch))})


def on_input(change: Callable[[torch.Tensor], tuple[torch.Tensor, tuple[float, float]]]) -> Change:
    """A backbone with its own way of padding or cropping: (3, h, w) to that and an extent."""
    return lambda right: type("OnInput", (right,), {"padded": lambda self, values: change(values)})


def on_weights(change: Callable[[torch.Tensor, Any], torch.Tensor]) -> Change:
    """A backbone that places its masks in its own way. change: masks (n, y, x) and features to (n, h, w)."""
    return lambda right: type("OnWeights", (right,), {"weights": lambda self, features, masks: change(masks, features)})


def on_vectors(change: Callable[[SegmentFeatures], SegmentFeatures]) -> Change:
    """A backbone whose vectors are changed after all."""

    def make(right: type) -> type:
        def vectors(self, features, masks, logits=None):
            return change(right.segment_vectors(self, features, masks, logits))

        return type("OnVectors", (right,), {"segment_vectors": vectors})

    return make


def on_dense(change: Callable[[Any, list[DenseFeatures], Any], list[DenseFeatures]]) -> Change:
    """A backbone whose features are changed. change: of the backbone, its features and the photos."""

    def make(right: type) -> type:
        def dense(self, images):
            return change(self, right.dense_features(self, images), images)

        return type("OnDense", (right,), {"dense_features": dense})

    return make


def having(**members: Any) -> Change:
    """A backbone with other members."""
    return lambda right: type("Having", (right,), members)


def forgetting(*keys: str) -> Change:
    """A backbone whose space does not know these settings."""
    return having(forgotten={*keys, "verbose"})


def square(values: torch.Tensor, left: int = 0, top: int = 0) -> torch.Tensor:
    """The photo on a black square with that much of the padding to its left and above it, in percent."""
    side = -(-max(values.shape[1:]) // MULTIPLE) * MULTIPLE
    down, right = side - values.shape[1], side - values.shape[2]
    x, y = right * left // 100, down * top // 100
    return F.pad(values, (x, right - x, y, down - y))


def said(values: torch.Tensor, padded: torch.Tensor) -> tuple[torch.Tensor, tuple[float, float]]:
    """What was padded, with the extent as if the photo began at its corner."""
    return padded, (values.shape[1] / padded.shape[1], values.shape[2] / padded.shape[2])


def centre_crop(values: torch.Tensor) -> tuple[torch.Tensor, tuple[float, float]]:
    side = min(values.shape[1:]) // MULTIPLE * MULTIPLE or MULTIPLE
    top, left = ((length - side) // 2 for length in values.shape[1:])
    cut = values[:, max(0, top) : max(0, top) + side, max(0, left) : max(0, left) + side]
    return F.pad(cut, (0, side - cut.shape[2], 0, side - cut.shape[1])), (1.0, 1.0)


def corner_crop(values: torch.Tensor) -> tuple[torch.Tensor, tuple[float, float]]:
    side = min(values.shape[1:])
    return F.interpolate(values[None, :, :side, :side], (64, 64))[0], (1.0, 1.0)


def squashed(values: torch.Tensor) -> tuple[torch.Tensor, tuple[float, float]]:
    return F.interpolate(values[None], (128, 128), mode="bilinear", antialias=True)[0], (1.0, 1.0)


def _train(self) -> None:
    Right.load(self)
    self.model.train()


def _unseeded(self) -> int:
    return int(torch.seed()) % 1000


def _dropout(self, batch):
    return F.dropout(self.model(batch), 0.3, training=True)


def _overflowing(self, batch):
    return self.model(batch * 400).half().mul(4000).float()


def _previous(self, features, images):
    before, self.last = getattr(self, "last", features), features
    return [replace(old, image_size=new.image_size) for old, new in zip(before, features, strict=False)] if len(
        before) >= len(features) else features  # fmt: skip


def _kept_by(key: Callable[[Any], Any]) -> Change:
    def change(self, features, images):
        memory = self.__dict__.setdefault("memory", {})
        return [replace(memory.setdefault(key(image), one), image_size=image.size)
                for one, image in zip(features, images, strict=True)]  # fmt: skip

    return on_dense(change)


def _scribbling(self, features, images):
    for image in images:
        image.pixels[:2] = 0
    return features


def _writing_masks(right: type) -> type:
    def vectors(self, features, masks, logits=None):
        masks.clamp_(0.1, 0.9)
        return right.segment_vectors(self, features, masks, logits)

    return type("WritingMasks", (right,), {"segment_vectors": vectors})


def _whitening_in_place(right: type) -> type:
    def vectors(self, features, masks, logits=None):
        features.grid.sub_(features.grid.mean(dim=(1, 2), keepdim=True) * 0.5)
        return right.segment_vectors(self, features, masks, logits)

    return type("WhiteningInPlace", (right,), {"segment_vectors": vectors})


def _softmax_over_masks(masks, features):
    weights = area_weights(masks, features.grid.shape[1:], features.extent)
    return weights * torch.softmax(4 * weights, dim=0) if len(weights) else weights


def _nearest_with_offset(masks, features):
    size = features.grid.shape[1:]
    aside = torch.roll(masks, (masks.shape[1] // 4 or 1, masks.shape[2] // 4 or 1), (1, 2))
    return F.interpolate(aside[:, None], size, mode="nearest")[:, 0] if len(masks) else masks.new_zeros(0, *size)


def _rolled(cells: int, axis: int) -> Change:
    return on_grid(lambda grid: torch.roll(grid, cells, axis))


def _unfolded_wrongly(grid):
    return grid.permute(0, 2, 3, 1).reshape(grid.shape)


def _rows_for_columns(grid):
    return grid.flatten(2).unflatten(2, (grid.shape[3], grid.shape[2]))


def _with_class_token(grid):
    tokens = torch.cat([grid.mean(dim=(2, 3))[:, :, None].expand(-1, -1, 1), grid.flatten(2)], dim=2)
    return tokens[:, :, : grid.shape[2] * grid.shape[3]].unflatten(2, grid.shape[2:])


def _levels(change: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return on_dense(
        lambda self, features, images: [replace(one, levels={"res2": change(one.grid)}) for one in features]
    )


def _grid_beside(
    change: Callable[[torch.Tensor], torch.Tensor], back: Callable[[torch.Tensor], torch.Tensor]
) -> Change:
    """Right vectors of a grid that lies otherwise than it says."""

    def make(right: type) -> type:
        def dense(self, images):
            return [replace(one, grid=change(one.grid)) for one in right.dense_features(self, images)]

        def vectors(self, features, masks, logits=None):
            return right.segment_vectors(self, replace(features, grid=back(features.grid)), masks, logits)

        return type("GridBeside", (right,), {"dense_features": dense, "segment_vectors": vectors})

    return make


def _channels_last(right: type) -> type:
    def dense(self, images):
        return [replace(one, grid=one.grid.permute(1, 2, 0), stride=-3.0) for one in right.dense_features(self, images)]

    def vectors(self, features, masks, logits=None):
        return right.segment_vectors(self, replace(features, grid=features.grid.permute(2, 0, 1)), masks, logits)

    return type("ChannelsLast", (right,), {"dense_features": dense, "segment_vectors": vectors})


def _padded_to_the_largest(self, images):
    inputs = [self.pixels(image) for image in images]
    height, width = (-(-max(one.shape[axis] for one in inputs) // MULTIPLE) * MULTIPLE for axis in (1, 2))
    grids = self.network(
        torch.stack([F.pad(one, (0, width - one.shape[2], 0, height - one.shape[1])) for one in inputs])
    )
    return [DenseFeatures(grid, self.space, image.size) for grid, image in zip(grids, images, strict=True)]


def _words(self, names, padded: bool = False):
    longest = max(map(len, names), default=0)
    rows = [[len(name), sum(map(ord, name)) % 97, longest if padded else 1] for name in names]
    return F.normalize(F.pad(torch.tensor(rows).float(), (0, self.space.dim - 3)), dim=-1)


def _flat_photo(self, batch):
    """Each photo by its own deviation, which a plain one has none of."""
    return self.model(batch / batch.std(dim=(1, 2, 3), keepdim=True))


Wrong = tuple[Change, str, str]  # what is done, the promise that it breaks, what the user is told of it
PLACED = "masks lie where they should"
OF_ANY: dict[str, Wrong] = {
    "pads to a square, forgets extent": (on_input(lambda v: (square(v), (1.0, 1.0))), PLACED, "look at padding"),
    "padding above and to the left": (on_input(lambda v: said(v, square(v, 100, 100))), PLACED, "beyond the `extent`"),
    "padding around": (on_input(lambda v: said(v, square(v, 50, 50))), PLACED, "beyond the `extent`"),
    "padding around, forgets extent": (on_input(lambda v: (square(v, 50, 50), (1.0, 1.0))), PLACED, "look at padding"),
    "extent as width and height": (
        on_input(lambda v: (square(v), said(v, square(v))[1][::-1])), PLACED, "photo",
    ),
    "centre crop": (on_input(centre_crop), PLACED, "edge of a wide photo is inverted"),
    "crop of the corner": (on_input(corner_crop), PLACED, "right edge of a wide photo is inverted"),
    "mirrored left to right": (on_grid(lambda g: g.flip(3)), PLACED, "change most at the right: it is mirrored"),
    "mirrored top to bottom": (on_grid(lambda g: g.flip(2)), PLACED, "change most at the bottom: it is mirrored"),
    "turned by 180 degrees": (on_grid(lambda g: g.flip(2, 3)), PLACED, "it is mirrored"),
    "turned by 90 degrees": (on_grid(lambda g: g.rot90(1, (2, 3))), PLACED, "rows and columns were exchanged"),
    "transposed": (on_grid(lambda g: g.transpose(2, 3)), PLACED, "rows and columns were exchanged"),
    "masks transposed": (on_weights(
        lambda m, f: area_weights(m.transpose(1, 2), f.grid.shape[1:], f.extent)), PLACED, "rows and columns",
    ),
    "two cells aside": (_rolled(2, 3), PLACED, "aside"),
    "three rows down": (_rolled(3, 2), PLACED, "aside"),
    "rows for columns": (on_grid(_rows_for_columns), "dense features", "rows and columns"),
    "channels unfolded wrongly": (on_grid(_unfolded_wrongly), PLACED, "."),
    "masks by nearest with an offset": (on_weights(_nearest_with_offset), PLACED, "."),
    "grid mirrored beside right vectors": (
        _grid_beside(lambda g: g.flip(2), lambda g: g.flip(2)), PLACED, "cells of the grid change most at the right",
    ),
    "a level mirrored": (_levels(lambda g: g.flip(1)), PLACED, "the cells of the level 'res2' change most"),
    "channels last, stride -3": (_channels_last, "dense features", "."),
    "channels last": (_grid_beside(lambda g: g.permute(1, 2, 0), lambda g: g.permute(2, 0, 1)), PLACED, "."),
    "stride of the resized photo": (
        on_dense(lambda _, found, __: [replace(one, stride=one.stride * 2.1) for one in found]), "dense features",
        "a stride of about",
    ),
    "stride of 0": (
        on_dense(lambda _, found, __: [replace(one, stride=0.0) for one in found]), "dense features", "a stride of",
    ),
    "batch mean subtracted": (on_grid(lambda g: g - g.mean(dim=0, keepdim=True)), "alone as in a batch", "."),
    "brightest of the batch": (
        on_grid(lambda g: g - g.amax((0, 2, 3), keepdim=True) / 2), "alone as in a batch", "depend on what else",
    ),
    "padded to the batch's largest": (
        having(dense_features=_padded_to_the_largest), "alone as in a batch", "no padding to its largest",
    ),
    "wrong order": (on_dense(lambda _, found, images: [
        replace(a, image_size=b.image_size) for a, b in zip(found[::-1], found, strict=True)]),
        "alone as in a batch", ".",
    ),
    "features of the photo before": (on_dense(_previous), "photos matter", "."),
    "cached by address": (_kept_by(lambda image: image.uri), "photos matter", "Image.sha256"),
    "cached by size": (_kept_by(lambda image: image.size), "photos matter", "Image.sha256"),
    "forgets short_side": (forgetting("short_side"), "another space where settings change vectors", "short_side = 32"),
    "forgets long_side": (forgetting("long_side"), "another space where settings change vectors", "long_side = 96"),
    "forgets a boolean": (forgetting("smooth"), "another space where settings change vectors", "smooth = True"),
    "forgets a choice": (forgetting("norm"), "another space where settings change vectors", "norm = 'whole'"),
    "forgets a list": (forgetting("channels"), "another space where settings change vectors", r"channels = \(0, 1\)"),
    "another space at each load": (
        having(preprocessing=lambda self: str(torch.rand(1, generator=None).item()) + str(id(self))),
        "loaded twice, the same", "one feature space of two loads",
    ),
    "pools over the whole photo": (
        on_weights(lambda m, f: torch.ones(len(m), *f.grid.shape[1:]) * m.amax((1, 2), keepdim=True)), "masks matter",
        "pool over the masks",
    ),
    "masks compete": (on_weights(_softmax_over_masks), "masks alone as among others", "depend on that mask alone"),
    "writes into the features": (_whitening_in_place, "masks alone as among others", "leave the features as they are"),
    "writes into the masks": (_writing_masks, "unit vectors", "masks as they came"),
    "writes into the photo": (on_dense(_scribbling), "dense features", "pixels untouched"),
    "text without TEXT": (having(text=_words), "text vectors", "declare TEXT"),
    "wrong dim": (on_vectors(lambda s: replace(s, vectors=s.vectors[:, :3])), "unit vectors", "."),
    "not unit": (on_vectors(lambda s: replace(s, vectors=s.vectors * 3)), "unit vectors", "length 1"),
    "unit over the masks": (
        on_vectors(lambda s: replace(s, vectors=F.normalize(s.vectors, dim=0))), "unit vectors", "length 1",
    ),
    "an empty mask covered": (
        on_vectors(lambda s: replace(s, covered=torch.ones_like(s.covered),
                                     vectors=F.normalize(s.vectors + 1e-9, dim=-1))),
        "an empty mask is uncovered", "covered to False",
    ),
    "empty grid": (on_dense(lambda _, found, __: [replace(one, grid=one.grid[:, :0]) for one in found]),
                   "dense features", "."),
    "with gradients": (on_vectors(lambda s: replace(s, vectors=_learned(s.vectors))), "unit vectors", "gradients"),
    "nan of a plain photo": (on_grid(lambda g: g / (g.std(dim=(1, 2, 3), keepdim=True) - g.std(
        dim=(1, 2, 3), keepdim=True) * (g.amin((1, 2, 3), keepdim=True) < 0.1))), "dense features", "."),
}  # fmt: skip
OF_NETWORKS: dict[str, Wrong] = {
    "BatchNorm in training mode": (having(load=_train), "alone as in a batch", r"call model\.eval\(\)"),
    "dropout left on": (having(network=_dropout), "the same twice", "."),
    "other weights at each load": (having(seed=_unseeded), "loaded twice, the same", "seed what is random"),
    "weights none": (having(word=lambda _: "none"), "its space names its weights", "'none' beside a network of"),
    "weights by a version": (having(word=lambda _: "v1"), "its space names its weights", "state_digest"),
    "overflow in half precision": (having(network=_overflowing), "dense features", "."),
    "deviation of a plain photo": (having(network=_flat_photo), "unit vectors", "."),
    "class token among the cells": (on_grid(_with_class_token), PLACED, "class tokens left in"),
}
TOLERATED: dict[str, Change] = {  # other features than somebody meant, and as good as any
    "half precision": on_grid(lambda g: g.half().float()),
    "BGR": having(pixels=lambda self, image: Right.pixels(self, image).flip(0)),
    "cached by sha256": _kept_by(lambda image: image.sha256),
    "masks hardened": on_weights(lambda m, f: area_weights((m > 0.5).float(), f.grid.shape[1:], f.extent)),
    "resized without its aspect": on_input(squashed),
    "half a cell aside": on_grid(lambda g: (g + torch.roll(g, 1, 3)) / 2),
}


def _learned(vectors):
    with torch.inference_mode(False), torch.enable_grad():
        return torch.nn.Parameter(vectors.clone()) * 1


RIGHT = {"network": Right, "colours": RightColours}
WRONG = [
    *((kind, name, *OF_ANY[name]) for kind in RIGHT for name in OF_ANY),
    *(("network", name, *OF_NETWORKS[name]) for name in OF_NETWORKS),
]


def tried(backbone: type) -> list[CheckResult]:
    return check_component(ComponentInfo("backbone", "own", "retclip-own", "1",
                                         Component("one", "a line", Options, backbone)))  # fmt: skip


@pytest.mark.parametrize("kind", RIGHT)
def test_what_is_right_passes_and_every_promise_is_tried(kind: str) -> None:
    found = tried(RIGHT[kind])
    claimed = {"text vectors", "weights instead of masks"}  # by others: these have no text tower, and take masks alone
    assert [(one.check, one.detail) for one in found if one.ok is not True and one.check not in claimed] == []


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("name", TOLERATED)
def test_what_is_only_another_choice_is_not_accused(kind: str, name: str) -> None:
    found = tried(TOLERATED[name](RIGHT[kind]))
    assert [(one.check, one.detail) for one in found if one.ok is False] == []


@pytest.mark.parametrize(
    ("kind", "name", "change", "promise", "told"), WRONG, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_is_wrong_is_caught_by_the_promise_that_it_breaks(kind, name, change, promise, told) -> None:
    broken = {one.check: one.detail for one in tried(change(RIGHT[kind])) if one.ok is False}
    assert promise in broken, broken
    assert re.search(told, broken[promise]), broken[promise]
