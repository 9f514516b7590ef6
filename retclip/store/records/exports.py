"""Segments on their way to another store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retclip.store.states import LabelSource
from retclip.types import PhotoCredit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ExportedSegment:
    """A visible segment.

    category: the row of its class.
    size: (H, W) of the upright photo.
    prompt, ordinal: its slot, beside photo and proposer.
    box: x, y, width, height, in pixels of the upright photo.
    rle: COCO compressed counts.
    run: that made its mask; vector_run: that made its vector, None without one.
    against: rows of the exported classes that it is a negative example of. Its own class may be none of the exported.
    """

    category: int
    image_sha256: str
    external_id: str
    uri: str
    size: tuple[int, int]
    credit: PhotoCredit
    proposer: str
    prompt: str
    ordinal: int
    box: tuple[int, int, int, int]
    area: int
    rle: bytes
    label_source: LabelSource
    confidence: float
    score: float
    detector_score: float | None
    mask_score: float | None
    run: int
    vector_run: int | None
    against: tuple[int, ...] = ()


@dataclass(frozen=True)
class ExportedRun:
    """What a run wrote down of itself.

    source: of one that stored a class file, the source that the file names.
    components: by role: name, version, settings_sha256, weights.
    """

    source: str
    dataset: str
    proposer_version: str
    proposer_settings: Mapping[str, Any]
    components: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Export:
    """Segments of classes and their negative examples, with their vectors in one space, by photos and slots.

    runs: by row, those that the segments name.
    vectors: (n, d) float16, a row per segment.
    lacking: how many segments were left out because they have no vector in the space.
    """

    segments: tuple[ExportedSegment, ...]
    runs: Mapping[int, ExportedRun]
    vectors: NDArray[np.float16]
    lacking: int
