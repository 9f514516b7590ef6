"""The data types of the field, as frozen dataclasses, that plugins, store and workflows exchange.

Axes everywhere: n segments, c classes, k neighbours, r text rows, d channels, H W image pixels, y x mask grid, h w
feature grid. Images and results are numpy; features, masks and scores are torch. A *class* is a name the user gives, a
*label* is a class that is assigned to a segment. A *similarity* is big-is-near, a *distance* small-is-near; neither is
ever called a score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from retclip.mask_proposals import MaskLogits as MaskLogits  # these are words of the field like those below
from retclip.mask_proposals import MaskMap as MaskMap
from retclip.mask_proposals import MaskProposals as MaskProposals
from retclip.passed_over import PassedOver
from retclip.scores import ClassPrototypes as ClassPrototypes
from retclip.scores import ClassScores as ClassScores
from retclip.scores import Negatives as Negatives
from retclip.scores import Neighbours as Neighbours
from retclip.scores import Role as Role

if TYPE_CHECKING:  # torch takes seconds to import, NumPy a tenth: help and lists must not wait for either
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from retclip.annotated_objects import AnnotatedObjects
    from retclip.regions import Region


REST = "(not asked)"  # the class of what is stored and was not asked for
SHOWN_NAMES = 5  # of a vocabulary as text


@dataclass(frozen=True)
class Device:
    """Device and precision of a component, chosen once by `retclip.device` and passed to every plugin."""

    torch_device: str = "cpu"  # "cpu", "cuda", "cuda:1", ...
    dtype: str = "float32"  # autocast precision: "float32", "bfloat16" or "float16"
    batch_size: int = 1  # the first try; `plugin.batches` halves it on out-of-memory


@dataclass(frozen=True)
class SegmentInfo:
    """One segment of a panoptic map, predicted or annotated."""

    id: int  # its value in the label map, >= 1
    class_name: str
    is_thing: bool  # a countable object, else stuff
    area: int  # pixels
    score: float = 1.0  # [0, 1]
    class_index: int = -1  # index into the vocabulary, -1 where there is none
    proposal: int = -1  # index of the mask proposal it came from, of several the largest; -1 for annotations
    is_crowd: bool = False  # annotations only: a region of many objects, never matched one by one


@dataclass(frozen=True, eq=False, repr=False)
class PanopticSegmentation:
    """A panoptic segmentation: a class for every pixel, an instance for every object.

    label_map: (H, W) int32 on image pixels, 0 = void, else a segment's id.
    segments: one per id, in painting order.
    mask_map: (H, W) int32, the mask proposal that each pixel comes from, -1 = void; None for annotations.
    objects: complete masks of an annotation's objects, which may overlap.
    """

    label_map: NDArray[np.int32]
    segments: tuple[SegmentInfo, ...]
    mask_map: NDArray[np.int32] | None = None
    objects: AnnotatedObjects | None = None

    def __repr__(self) -> str:
        height, width = self.label_map.shape
        return f"<PanopticSegmentation of {width} x {height} pixels: {len(self.segments)} segments>"


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """A decoded photo, upright.

    pixels: (H, W, 3) uint8 RGB.
    sha256: of the file's bytes, the image's identity.
    uri: where the file lies.
    truth: its panoptic annotation, for a ground-truth proposer and the evaluation.
    regions: annotated objects with a box, points or a mask, but no panoptic map.
    orientation: the EXIF tag, 1 to 8, by which the file's pixels were turned upright.
    passed_over: what was left out of its annotation, by reason.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    uri: str = ""
    truth: PanopticSegmentation | None = None
    regions: tuple[Region, ...] = ()
    orientation: int = 1
    passed_over: PassedOver = field(default_factory=PassedOver)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    def __repr__(self) -> str:
        return f"<Image {self.uri!r}, {self.size[1]} x {self.size[0]} pixels, sha256 {self.sha256[:8]}>"


@dataclass(frozen=True)
class FeatureSpace:
    """The identity of an embedding space: vectors are comparable only where every field is equal."""

    backbone: str  # component name, e.g. "openclip.convnext_large"
    weights: str  # sha256 of the weights, or "none" for an exact backbone
    preprocessing: str  # resize, mean and std, in words
    pooling: str  # rule and version, e.g. "area-1"
    dim: int

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of the sha256 over all fields."""
        parts = [self.backbone, self.weights, self.preprocessing, self.pooling, str(self.dim)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PhotoCredit:
    """Whose photo it is, and under which licence; "" where nobody said.

    author: as the author wants to be named.
    licence: its name and address.
    address: of the photo on the web.
    """

    author: str = ""
    licence: str = ""
    address: str = ""


@dataclass(frozen=True, eq=False)
class DenseFeatures:
    """A backbone's feature map of one image.

    grid: (d_grid, h, w) float.
    levels: named feature maps (d_i, h_i, w_i) that a proposer may share.
    extent: share of the grid's rows and columns that the image covers, in (0, 1]; the rest is padding. Masks cover the
    image alone.
    """

    grid: Tensor
    space: FeatureSpace
    image_size: tuple[int, int]  # (H, W)
    stride: float = 1.0  # pixels of the photo (not of the resized one) per cell; 1.0 also where nobody said
    levels: Mapping[str, Tensor] = field(default_factory=dict)
    extent: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, eq=False)
class LabelLogits:
    """What a network says of the labels that it was trained on, before the softmax over them.

    labels: the name of their list, which says their order, e.g. "imagenet-1k".
    segments: (n, l) float32 of each mask; a row of a mask that covers no cell must not be used.
    image: (l,) float32 of the whole image.
    """

    labels: str
    segments: Tensor
    image: Tensor


@dataclass(frozen=True, eq=False)
class SegmentFeatures:
    """One vector per mask.

    vectors: (n, d) float32 of unit length.
    covered: (n,) bool, False where the mask covers no cell of the feature grid; that row of `vectors` must not be used.
    label_logits: of a backbone that was trained to tell labels of its own and provides `LABELS`; never stored.
    """

    vectors: Tensor
    covered: Tensor
    space: FeatureSpace
    label_logits: LabelLogits | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """The classes that the user asks for, in the user's order. A class scores the best of its terms (FC-CLIP's rule).

    names: (c,) of the classes.
    is_thing: (c,) countable or not; None = not stated, then the store decides, else it is a thing.
    synonyms: per class, without the name itself.
    text: (r, d) unit vectors, a row per term; None where the backbone has no text tower.
    has_rest: whether the last class is the rest, what was not asked for: a mask that it wins stays without a label.
    """

    names: tuple[str, ...]
    is_thing: tuple[bool | None, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()
    text: Tensor | None = None
    has_rest: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        more = ", ..." if len(self) > SHOWN_NAMES else ""
        return f"<Vocabulary of {len(self)} classes: {', '.join(self.names[:SHOWN_NAMES])}{more}>"

    @property
    def asked(self) -> int:
        """How many of the classes, the first, were asked for."""
        return len(self.names) - self.has_rest

    @property
    def without_rest(self) -> Vocabulary:
        """The classes that were asked for."""
        if not self.has_rest:
            return self
        synonyms = self.synonyms[:-1]
        text = None if self.text is None else self.text[: len(self.terms) - 1 - len(self.synonyms[-1])]
        return Vocabulary(self.names[:-1], self.is_thing[:-1], synonyms, text)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """(r,) every name followed by its synonyms, class after class."""
        synonyms = self.synonyms or ((),) * len(self.names)
        return tuple(term for name, more in zip(self.names, synonyms, strict=True) for term in (name, *more))

    @cached_property
    def row_class(self) -> NDArray[np.int64]:
        """(r,) the class index of each term."""
        import numpy as np  # the catalog's commands read these types, and no array

        synonyms = self.synonyms or ((),) * len(self.names)
        return np.repeat(np.arange(len(self.names)), [1 + len(more) for more in synonyms])

    @cached_property
    def digest(self) -> str:
        """sha256 over names, synonyms and thing flags; part of every result."""
        return hashlib.sha256(json.dumps([self.names, self.synonyms, self.is_thing]).encode()).hexdigest()
