"""The kit catches proposers, classifiers and sources that are silently wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from retclip.errors import DataError
from retclip.plugin import ANNOTATION, NEIGHBOURS, REGIONS, Component, Settings
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.examples import NAMES, photos
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.plugin.discovery import ComponentInfo
from retclip.types import ClassScores, MaskProposals, Role


class Options(Settings):
    """Nothing to set."""


def broken(kind: str, component: Any, **more: Any) -> dict[str, str]:
    info = ComponentInfo(
        kind, "own", "retclip-own", "1", Component("one", "a line", Options, lambda *_: component, **more)
    )
    return {one.check: one.detail for one in check_component(info) if one.ok is False}


class Bright:
    """A proposer of what is brighter than the photo's mean, and of the rest."""

    def propose(self, images, vocabulary, features):
        return [self.of(image) for image in images]

    def of(self, image):
        grey = torch.from_numpy(image.pixels.mean(2)).float()
        bright = self.placed((grey > grey.mean() + 1).float())
        masks = torch.stack([bright, 1 - bright])
        return MaskProposals(masks, torch.tensor([1.0, 0.5]), image.size)

    def placed(self, mask):
        return mask


def squared(mask):
    side = max(mask.shape)
    return torch.nn.functional.pad(mask, (0, side - mask.shape[1], 0, side - mask.shape[0]))


def cropped(mask):
    height, width = mask.shape
    start = max(0, (width - height) // 2)
    return mask[:, start : start + height]


PLACED = {
    "mirrored left to right": lambda mask: mask.flip(1),
    "mirrored top to bottom": lambda mask: mask.flip(0),
    "turned by half a turn": lambda mask: mask.flip(0, 1),
    "with rows and columns exchanged": lambda mask: mask.T,
    "as on the photo padded to a square": squared,
    "as on the photo cut to a square": cropped,
}


def test_masks_that_follow_the_photo_pass() -> None:
    assert broken("proposer", Bright()) == {}


@pytest.mark.parametrize("what", PLACED)
def test_masks_that_lie_elsewhere_are_caught_and_it_is_said_where(what: str) -> None:
    placed = type("Placed", (Bright,), {"placed": lambda self, mask: PLACED[what](mask)})
    assert f"got masks {what}" in broken("proposer", placed())["masks lie where they should"]


@pytest.mark.parametrize("seed", range(20))
def test_masks_of_random_weights_are_not_accused(seed: int) -> None:
    class Noise(Bright):
        def placed(self, mask):
            generator = torch.Generator().manual_seed(seed)
            kernel = torch.rand(1, 1, 9, 9, generator=generator) - 0.5
            grid = torch.nn.functional.interpolate(mask[None, None], (24, 32))
            return torch.nn.functional.conv2d(grid - grid.mean(), kernel, padding=4)[0, 0].sigmoid()

    assert broken("proposer", Noise()) == {}


def test_objectness_that_depends_on_the_batch_is_caught() -> None:
    class Relative(Bright):
        def propose(self, images, vocabulary, features):
            return [replace(one, objectness=one.objectness / len(images)) for one in super().propose(images, 0, 0)]

    assert "objectness alone and in a batch" in broken("proposer", Relative())["alone as in a batch"]


class Annotated:
    """A proposer of annotated masks."""

    def propose(self, images, vocabulary, features):
        if any(image.truth is None for image in images):
            raise DataError("an annotation", "none", "label it")
        return [self.of(image) for image in images]

    def of(self, image):
        masks = torch.stack([torch.from_numpy(image.truth.label_map == one.id).float() for one in image.truth.segments])
        names = tuple(one.class_name for one in image.truth.segments)
        return MaskProposals(self.placed(masks), torch.ones(len(masks)), image.size, names)

    def placed(self, masks):
        return masks


def test_annotated_masks_lie_where_the_annotation_has_them() -> None:
    claim = {"provides": frozenset({ANNOTATION})}
    assert broken("proposer", Annotated(), **claim) == {}
    upside_down = type("UpsideDown", (Annotated,), {"placed": lambda self, masks: masks.flip(1)})
    assert "beside what is annotated" in broken("proposer", upside_down(), **claim)["a photo without annotation"]


class Boxes:
    """A proposer of a box's own rectangle, and of everything for points."""

    def propose(self, images, vocabulary, features):
        if not all(image.regions for image in images):
            raise DataError("marks", "none", "mark it")
        return [self.of(image) for image in images]

    def of(self, image):
        asked = [region for region in image.regions if region.class_name in NAMES]
        masks = torch.zeros(len(asked), *image.size)
        for mask, region in zip(masks, asked, strict=True):
            x0, y0, x1, y1 = map(round, region.box or (0, 0, image.size[1], image.size[0]))
            mask[y0:y1, x0:x1] = 1
        names = tuple(region.class_name for region in asked)
        return MaskProposals(self.placed(masks), torch.ones(len(asked)), image.size, names)

    def placed(self, masks):
        return masks


@pytest.mark.parametrize(("axis", "told"), [(1, "at the bottom for boxes at the top"), (2, "at the right for boxes")])
def test_masks_of_boxes_lie_in_their_half(axis: int, told: str) -> None:
    claim = {"provides": frozenset({REGIONS})}
    assert broken("proposer", Boxes(), **claim) == {}
    mirrored = type("Mirrored", (Boxes,), {"placed": lambda self, masks: masks.flip(axis)})
    assert told in broken("proposer", mirrored(), **claim)["marked objects"]


class Nearest:
    """A classifier that scores the nearest neighbour's class."""

    role = Role.RETRIEVAL

    def score(self, proposals, segments, vocabulary, neighbours):
        values = torch.zeros(len(segments.covered), len(vocabulary))
        for n, row in enumerate(neighbours.classes):
            if len(row) and row[0] >= 0:
                values[n, row[0]] = 1 - neighbours.distances[n, 0] / 2
        return ClassScores(self.changed(values), neighbours.supported, self.role)

    def changed(self, values):
        return values


CLASSIFIERS = {
    "classes in any order": lambda values: torch.cat([values[:, :1].clamp(max=0.1), values[:, 1:]], dim=1),
    "masks alone as among others": lambda values: values / max(1, len(values)),
}


def test_a_classifier_that_goes_by_its_neighbours_passes() -> None:
    assert broken("classifier", Nearest(), needs=frozenset({NEIGHBOURS})) == {}


def test_a_classifier_that_votes_otherwise_than_it_scores_is_caught() -> None:
    class Other(Nearest):
        def vote(self, neighbours, covered):
            values = torch.full((len(covered), len(neighbours.supported)), 0.5)
            return ClassScores(values, neighbours.supported, self.role)

    assert "the vote alone" in broken("classifier", Other(), needs=frozenset({NEIGHBOURS}))


@pytest.mark.parametrize("promise", CLASSIFIERS)
def test_a_classifier_that_goes_by_places_or_by_company_is_caught(promise: str) -> None:
    wrong = type("Wrong", (Nearest,), {"changed": lambda self, values: CLASSIFIERS[promise](values)})
    assert promise in broken("classifier", wrong(), needs=frozenset({NEIGHBOURS}))


def noisy(image):
    return replace(image, pixels=image.pixels ^ np.random.default_rng().integers(0, 255, image.pixels.shape, np.uint8))


class Photos:
    """A source of two annotated photos."""

    name = "own"
    annotated = NAMES[:2]
    more = 0

    def classes(self):
        return [SourceClass(name) for name in NAMES]

    def images(self):
        for number, image in enumerate(photos()[:2]):
            yield SourceImage(
                str(number), "nowhere", lambda image=image: self.loaded(image), lambda image=image: image.sha256,
                self.annotated, self.digest(),
            )  # fmt: skip

    def loaded(self, image):
        return image

    def digest(self):
        return "same"

    def __len__(self):
        return 2 + self.more


def test_a_source_that_keeps_its_promises_passes() -> None:
    assert broken("source", Photos()) == {}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"annotated": NAMES[:1]}, "grass beside `class_names`"),
        ({"more": 1}, "len() to be its 2 records"),
        ({"digest": lambda self: str(np.random.default_rng().random())}, "the same annotation digests twice"),
        (
            {
                "loaded": lambda self, image: replace(
                    image, pixels=image.pixels ^ np.uint8(np.random.default_rng().integers(1, 255))
                )
            },
            "the same photo twice",
        ),
    ],
)
def test_a_source_that_says_other_than_it_shows_is_caught(members: dict[str, Any], told: str) -> None:
    assert told in broken("source", type("Wrong", (Photos,), members)())["records"]
