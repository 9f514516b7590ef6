"""Small parts for the workflows: pictures of two colours with their annotation, a source made of a list, and stub
components whose answers a test can work out by hand."""

import hashlib
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import retclip
from retclip.config import Settings
from retclip.plugin import SourceClass, SourceImage
from retclip.plugin.contracts import NEIGHBOURS
from retclip.types import (
    ClassScores,
    DenseFeatures,
    Device,
    FeatureSpace,
    Image,
    MaskProposals,
    PanopticSegmentation,
    Role,
    SegmentFeatures,
    SegmentInfo,
)
from retclip.workflows.parts import Loaded, Parts

COLOURS = {"sky": (40, 90, 220), "grass": (30, 160, 40), "car": (210, 30, 30), "sand": (220, 200, 120)}


def picture(left="sky", right="grass", size=(16, 24), seed=0):
    """An Image whose left half shows one class and whose right half another, annotated."""
    rng = np.random.default_rng(seed)
    label_map = np.ones(size, dtype=np.int32)
    label_map[:, size[1] // 2 :] = 2
    pixels = np.where((label_map == 1)[..., None], COLOURS[left], COLOURS[right]) + rng.integers(-9, 10, (*size, 3))
    infos = [SegmentInfo(i, name, name == "car", size[0] * size[1] // 2) for i, name in ((1, left), (2, right))]
    pixels = pixels.clip(0, 255).astype(np.uint8)
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Image(pixels, sha256, f"/photos/{left}-{right}-{seed}.png", PanopticSegmentation(label_map, tuple(infos)))


@dataclass
class ListSource:
    """An ImageSource over images; an exception in the list is raised when that record is loaded."""

    items: list
    names: tuple = tuple(COLOURS)
    name: str = "listed"
    loaded: list = field(default_factory=list)

    def classes(self):
        return tuple(SourceClass(name, name == "car") for name in self.names)

    def __len__(self):
        return len(self.items)

    def images(self):
        for number, item in enumerate(self.items):
            there = isinstance(item, Image)
            present = tuple(one.class_name for one in item.truth.segments) if there and item.truth else None
            digest = item.sha256 if there else f"{number:064d}"
            uri = item.uri if there else f"/photos/bad{number}.png"
            load = partial(self.load, number, item)
            annotation = str(item.truth.segments) if there and item.truth else ""
            yield SourceImage(f"item{number}", uri, load, partial(str, digest), present, annotation)

    def load(self, number, item):
        self.loaded.append(number)
        if isinstance(item, BaseException):
            raise item
        return item


class StubBackbone:
    """A mask's vector is its mean colour at unit length."""

    space = FeatureSpace("stub.colour", "none", "none", "mean-1", 3)

    def dense_features(self, images):
        return [
            DenseFeatures(torch.from_numpy(one.pixels).permute(2, 0, 1).float(), self.space, one.size) for one in images
        ]

    def segment_vectors(self, features, masks, logits=None):
        weights = F.interpolate(masks[None].float(), size=features.grid.shape[1:])[0] if len(masks) else masks
        sums = torch.einsum("nyx,dyx->nd", weights, features.grid) if len(masks) else torch.zeros(0, 3)
        return SegmentFeatures(F.normalize(sums, dim=-1), weights.sum((1, 2)) > 0, self.space)

    def text_vectors(self, names):
        return None


class StubProposer:
    """Gives whatever `answer(image, vocabulary)` gives."""

    def __init__(self, answer):
        self.answer = answer

    def propose(self, images, vocabulary, features):
        return [self.answer(image, vocabulary) for image in images]


class StubClassifier:
    """Scores that stand in a table, a row per mask."""

    role = Role.CLIP

    def __init__(self, values, void=None):
        self.values, self.void = torch.tensor(values, dtype=torch.float32), void

    def score(self, proposals, segments, vocabulary, neighbours):
        self.seen = (proposals, neighbours)
        count = len(proposals)
        void = None if self.void is None else self.void[:count]
        return ClassScores(self.values[:count], torch.ones(len(vocabulary), dtype=torch.bool), self.role, void)


def annotated(image, vocabulary):
    """The annotation's masks with their names, as a prompted proposer would give them."""
    wanted = [one for one in image.truth.segments if one.class_name in vocabulary.names]
    masks = torch.stack([torch.from_numpy(image.truth.label_map == one.id).float() for one in wanted])
    return MaskProposals(masks, torch.ones(len(masks)), image.size, tuple(one.class_name for one in wanted))


class NearestClassifier:
    """A class scores the similarity of its nearest stored segment."""

    role = Role.RETRIEVAL

    def score(self, proposals, segments, vocabulary, neighbours):
        values = torch.zeros(len(proposals), len(vocabulary))
        for row, (classes, distances) in enumerate(zip(neighbours.classes, neighbours.distances, strict=True)):
            for index, distance in zip(classes.tolist(), distances.tolist(), strict=True):
                if index >= 0:
                    values[row, index] = max(float(values[row, index]), 1 - distance / 2)
        return ClassScores(values, neighbours.supported, self.role)


def halves(image, _):
    """The left and the right half, without names."""
    masks = torch.zeros(2, *image.size)
    masks[0, :, : image.size[1] // 2], masks[1, :, image.size[1] // 2 :] = 1, 1
    return MaskProposals(masks, torch.ones(2), image.size)


def loaded(name, thing, provides=(), needs=()):
    return Loaded(name, "1", thing, Device(), {}, frozenset(provides), frozenset(needs))


class Kit:
    """What a test takes from here, as one fixture; test modules cannot import each other."""

    picture = staticmethod(picture)
    annotated = staticmethod(annotated)
    loaded = staticmethod(loaded)
    Source, Backbone, Proposer, Classifier = ListSource, StubBackbone, StubProposer, StubClassifier

    @staticmethod
    def voting(store):
        """Parts that give each half of a picture the class of the nearest stored segment."""
        return Kit.parts(store, halves, [loaded("stub.nearest", NearestClassifier(), needs=(NEIGHBOURS,))])

    @staticmethod
    def parts(store, answer=annotated, classifiers=(), settings=None):
        """Parts with stubs in all places."""
        chosen = tuple(one if isinstance(one, Loaded) else loaded("stub.table", one) for one in classifiers)
        proposer = loaded("stub.masks", StubProposer(answer))
        models = loaded("stub.colour", StubBackbone()), proposer, settings or Settings()
        return Parts(*models, store=store, classifiers=chosen)


@pytest.fixture
def kit():
    return Kit


@pytest.fixture
def fresh(tmp_path):
    """An empty store, opened; its index lives in memory."""
    with retclip.open(tmp_path / "store", create=True, settings={"store": {"index": "resident"}}) as memory:
        yield memory
