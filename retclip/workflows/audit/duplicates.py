"""Photos that look alike, in the store and between it and an evaluation source; segments whose vectors are alike.

Photos are compared by a perceptual hash (`retclip.algorithms.photo_hash`) of themselves and of their mirror image: the
same photo encoded again, resized, mirrored, or cropped by a few percent is found. A photo that is no longer where it
was is counted, never a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from retclip.algorithms.photo_hash import NEAR
from retclip.errors import RetCLIPError
from retclip.plugin.contracts import SourceImage
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import JudgedSegments, ListedPhoto, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.hashed_photos import HashedPhotos, alike_places, hashed_photos
from retclip.workflows.audit.nearest import nearest_allowed

COPY = 0.005  # cosine distance of segments within which one is taken for a copy of the other


@dataclass(frozen=True)
class AlikePhotos:
    """Two photos that look alike.

    first: of the store; second: of the store or of the other source.
    bits: of their hashes in which they differ, [0, 128].
    mirrored: whether one is the other's mirror image.
    same_file: whether their files are the same, byte by byte.
    """

    first: ListedPhoto
    second: ListedPhoto
    bits: int
    mirrored: bool
    same_file: bool

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        return {"first": self.first.as_dict(), "second": self.second.as_dict(), "bits": self.bits,
                "mirrored": self.mirrored, "same_file": self.same_file}  # fmt: skip


@dataclass(frozen=True)
class Duplicates:
    """What an audit of duplicates found.

    photos: pairs, the most alike first.
    segments: near-identical ones of other photos, each once per pair, the later stored one, naming the earlier.
    compared: photos of the store that were read; gone: those that were not where they were.
    other: photos of the evaluation source that were compared, 0 without one; unusable: those that could not be read.
    leaked: of these the ones that are in the store, None without an evaluation source.
    """

    photos: tuple[AlikePhotos, ...]
    segments: tuple[ListedSegment, ...]
    compared: int
    gone: int
    other: int = 0
    unusable: int = 0
    leaked: tuple[ListedPhoto, ...] | None = None


def duplicates(
    store: FeatureStore, chosen: SegmentFilter, limit: int, space: FeatureSpace | None = None, bits: int = NEAR,
    within: float = COPY, on_progress: OnProgress = silent,
) -> Duplicates:  # fmt: skip
    """Find photos of the store that look alike, and near-identical segments of different photos.

    chosen: one of two segments must be selected by it; photos are compared all.
    limit: pairs at most, of either kind.
    bits: of 128 in which the hashes of photos may differ.
    within: cosine distance of segments, [0, 2].
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    segments = store.trust.segments(space)
    hashed = hashed_photos(store, on_progress)
    photos = sorted(alike_pairs(hashed, hashed, bits, same=True), key=most_alike)
    return Duplicates(
        tuple(photos[:limit]), tuple(_copies(store, segments, chosen, within)[:limit]), len(hashed.photos),
        hashed.failed,
    )  # fmt: skip


def leakage(
    store: FeatureStore, source: Iterable[SourceImage], name: str, total: int, bits: int = NEAR,
    on_progress: OnProgress = silent,
) -> Duplicates:  # fmt: skip
    """Find the photos of an evaluation source that are in the store, each with the photo that it is there.

    name: of the source; total: its images, for the progress.
    """
    hashed = hashed_photos(store, on_progress)
    other = hashed_source(source, name, total, "hash the evaluation photos", on_progress)
    pairs = tuple(nearest_pairs(hashed, other, bits))
    leaked = tuple(pair.second for pair in sorted(pairs, key=lambda pair: -pair.second.id))
    compared = len(other.photos)
    return Duplicates(pairs, (), len(hashed.photos), hashed.failed, compared, other.failed, leaked)


def hashed_source(
    source: Iterable[SourceImage], name: str, total: int, task: str, on_progress: OnProgress
) -> HashedPhotos:
    """Hash the photos of a source; their ids count down from -1. name: of the source; task: for the progress."""
    hashed = HashedPhotos()
    for number, record in enumerate(source):
        try:
            image = record.load()
        except RetCLIPError:
            hashed.failed += 1
            continue
        hashed.add(ListedPhoto(-1 - number, record.external_id, name, record.uri, image.sha256, 0), image.pixels)
        on_progress(Progress(task, number + 1, total, hashed.failed))
    return hashed


def most_alike(pair: AlikePhotos) -> tuple[bool, int, int, int]:
    """Return what sorts pairs, the most alike first."""
    return not pair.same_file, pair.bits, pair.first.id, pair.second.id


def alike_pairs(first: HashedPhotos, second: HashedPhotos, bits: int, same: bool = False) -> Iterator[AlikePhotos]:
    """Yield the pairs of one photo of each that look alike. same: both are the same photos."""
    for places in alike_places(first, second, bits):
        for row, column, apart, mirrored in zip(*(values.tolist() for values in places), strict=True):
            if not same or row < column:
                one, other = first.photos[row], second.photos[column]
                yield AlikePhotos(one, other, apart, mirrored, one.sha256 == other.sha256)


def nearest_pairs(known: HashedPhotos, asked: HashedPhotos, bits: int) -> list[AlikePhotos]:
    """Return of each asked photo the known one that it looks most like, the most alike first."""
    nearest: dict[int, AlikePhotos] = {}
    for pair in sorted(alike_pairs(known, asked, bits), key=most_alike):
        nearest.setdefault(pair.second.id, pair)
    return list(nearest.values())


def _copies(store: FeatureStore, segments: JudgedSegments, chosen: SegmentFilter, within: float) -> list[ListedSegment]:
    """List the segments that have a near-identical one in an earlier stored photo, the most alike first."""
    pairs = {
        segments.ids[place]: (distance, segments.ids[earlier])
        for place, earlier, distance in nearest_allowed(
            segments, lambda rows: segments.images[None] >= segments.images[rows, None], within
        )
    }
    ids = sorted(_selected(store, pairs, chosen), key=lambda number: (pairs[number][0], number))
    others = {other.id: other for other in store.segments.listed([pairs[number][1] for number in ids])}
    return [
        replace(segment, distance=pairs[segment.id][0], note=_copied(segment, others[pairs[segment.id][1]]))
        for segment in store.segments.listed(ids)
    ]


def _selected(store: FeatureStore, pairs: dict[UUID, tuple[float, UUID]], chosen: SegmentFilter) -> Sequence[UUID]:
    either = set(store.segments.among([*pairs, *(other for _, other in pairs.values())], chosen))
    return [number for number, (_, other) in pairs.items() if number in either or other in either]


def _copied(segment: ListedSegment, other: ListedSegment) -> str:
    label = "" if other.class_name == segment.class_name else f", there {other.class_name}"
    return f"like {str(other.id)[:8]} in {other.image} of {other.dataset}{label}"
