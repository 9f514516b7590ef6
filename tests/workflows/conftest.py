"""Small parts for the workflows: pictures of two colours with their annotation, a source made of a list, and stub
components whose answers a test can work out by hand."""

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import retclip
from retclip.config import Settings
from retclip.config_sections import FallbackSection
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin import SourceClass, SourceImage
from retclip.plugin.contracts import NEIGHBOURS
from retclip.store.records import Decisions
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
    Vocabulary,
)
from retclip.workflows.building.build_store import build_store
from retclip.workflows.classes.fill_missing import Filling, fill_missing
from retclip.workflows.segment.parts import Loaded, Parts

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
    """An ImageSource over images; an exception in the list is raised when that record is loaded.

    names_alone: what each image shows is known, but not where."""

    items: list
    names: tuple = tuple(COLOURS)
    name: str = "listed"
    loaded: list = field(default_factory=list)
    names_alone: bool = False

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
        return replace(item, truth=None) if self.names_alone else item


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


class StoredNames:
    """A store of which nothing but its classes and decisions is asked."""

    def __init__(self, stored=(), decided=None):
        self.classes = SimpleNamespace(all=lambda: list(stored))
        self.matches = SimpleNamespace(decisions=lambda: decided or Decisions())


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
    StoredNames = StoredNames

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


# A small world for the fallback: 40 names of which the store lacks 10; the data set "the world" has 6 of these.
STORED = (*(f"class {n}" for n in range(28)), "car", "sofa")
ABSENT = ("kayak", "Tractor", "settee", "lorry", "puppy", "bike", "unicorn", "dragon", "couchette", "canoes")
SYNONYMS = {"settee": ("davenport",), "lorry": ("truck",)}  # the first of nobody's use
FALLBACK = {  # the fallback data set's classes with their synonyms
    "Kayak": (), "tractor": (), "Chesterfield": ("settee",), "Truck": (), "Young dog": (), "Bicycle": (),
    "Horse": (), "class 3": (), "Boat": (),
}  # fmt: skip
NEAR = {"puppy": ("Young dog", 0.97), "bike": ("Bicycle", 0.951), "couchette": ("sofa", 0.9),
        "canoes": ("Boat", 0.949), "unicorn": ("Horse", 0.6)}  # fmt: skip
DIM = 64


def text_vector(name):
    """A unit vector of its own for each name, turned towards the one that it is near to."""
    own = {key: n for n, key in enumerate(("Young dog", "Bicycle", "sofa", "Boat", "Horse"))}
    if name in NEAR:
        other, cosine = NEAR[name]
        return cosine * torch.eye(DIM)[own[other]] + math.sqrt(1 - cosine**2) * torch.eye(DIM)[own[other] + 8]
    if name in own:
        return torch.eye(DIM)[own[name]]
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    some = torch.randn(DIM - 24, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.pad(torch.nn.functional.normalize(some, dim=0), (24, 0))


def photo(*names, seed=0):
    """Stripes, one for each class, annotated."""
    rng = np.random.default_rng([seed, *name_key("".join(names)).encode()])
    label_map = np.repeat(np.arange(1, len(names) + 1, dtype=np.int32), 8)[None].repeat(8, axis=0)
    pixels = rng.integers(0, 256, (len(names) + 1, 3))[label_map].astype(np.uint8)
    infos = tuple(SegmentInfo(n, name, True, 64) for n, name in enumerate(names, 1))
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Image(pixels, sha256, f"/photos/{sha256[:8]}.png", PanopticSegmentation(label_map, infos))


@dataclass
class Photos:
    """An annotated source that writes down which photos are read; classes with their synonyms."""

    known: dict
    items: list
    name: str = "the world"
    loaded: list = field(default_factory=list)
    broken: bool = False

    def classes(self):
        return tuple(SourceClass(name, True, tuple(more)) for name, more in self.known.items())

    def __len__(self):
        return len(self.items)

    def images(self):
        for number, one in enumerate(self.items):
            names = tuple(segment.class_name for segment in one.truth.segments)
            load, digest = partial(self.load, number), partial(str, one.sha256)
            yield SourceImage(f"photo {number}", one.uri, load, digest, names, str(names))

    def load(self, number):
        if self.broken:
            raise DataError("a photo", "none", "copy it")
        self.loaded.append(number)
        return self.items[number]


class Reading(StubBackbone):
    """Reads names as the vectors above."""

    space = FeatureSpace("stub.reading", "none", "none", "mean-1", DIM)

    def segment_vectors(self, features, masks, logits=None):
        found = super().segment_vectors(features, masks, logits)
        return SegmentFeatures(F.pad(found.vectors, (0, DIM - 3)), found.covered, self.space)

    def text_vectors(self, names):
        return torch.stack([text_vector(name) for name in names])


class World:
    """A store of 30 classes, and the fallback data set: each class in 3 photos, the kayak in 9 with 4 in each."""

    stored_names, absent, photo, Photos = STORED, ABSENT, staticmethod(photo), Photos

    def __init__(self, store):
        parts = Kit.parts(store, settings=self.settings())
        self.parts = replace(parts, backbone=loaded("stub.reading", Reading()))
        items = [photo(name, "class 3", seed=n) for name in FALLBACK for n in range(3) if name != "Kayak"]
        self.source = Photos(FALLBACK, [*items, *(photo(*["Kayak"] * 4, seed=n) for n in range(9))])
        self.opened = []

    @staticmethod
    def settings(**given):
        return Settings(fallback=FallbackSection(source="world:", **given))

    @staticmethod
    def vocabulary(*names):
        names = names or (*STORED, *ABSENT)
        return Vocabulary(names, (None,) * len(names), tuple(SYNONYMS.get(name, ()) for name in names))

    def filling(self):
        return Filling(self.parts, self.parts.backbone, lambda address: self.opened.append(address) or self.source)

    def fill(self, *names, **options):
        self.opened.clear()
        return fill_missing(self.filling(), self.vocabulary(*names), **options)

    def rows(self, query=None):
        return self.parts.store.matches.history(query)

    def stored(self):
        return {one.name: one.segments for one in self.parts.store.classes.all() if one.segments}


@pytest.fixture
def world(fresh):
    made = World(fresh.store)
    build_store(made.parts, Photos(dict.fromkeys(STORED, ()), [photo(*STORED)], "home"), "home:")
    return made
