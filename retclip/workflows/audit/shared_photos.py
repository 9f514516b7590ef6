"""Photos that must be apart: those that settings are chosen by, those that judge the choice, and those of the store.

A photo that the store knows answers itself, and one that both chose and judges a setting proves nothing. Photos are
compared as `audit duplicates` compares them, and byte by byte where a stored one is no longer where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retclip.algorithms.photo_hash import NEAR
from retclip.errors import DataError
from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, Progress, silent
from retclip.quantities import some
from retclip.store.feature_store import FeatureStore
from retclip.workflows.audit.duplicates import hashed_source, nearest_pairs
from retclip.workflows.audit.hashed_photos import HashedPhotos, hashed_photos

SHOWN = 5  # photos that a refusal names


@dataclass(frozen=True)
class Group:
    """Some photos. name: what they are called in messages; gone: digests of those that could not be looked at."""

    name: str
    hashed: HashedPhotos
    gone: Mapping[str, str]  # sha256 -> name


def require_apart(
    store: FeatureStore | None, tuned: ImageSource, held_out: ImageSource, bits: int = NEAR,
    on_progress: OnProgress = silent,
) -> None:  # fmt: skip
    """Refuse photos of the one that the other, or the store, has, too.

    tuned: settings are chosen by it; held_out: it judges the choice. Neither may have a stored photo.
    bits: of 128 in which the hashes of photos may differ that are taken for the same one.
    Raises DataError that names them, and StoreError.
    """
    first = _of_source(f"the photos to tune on ({tuned.name})", tuned, on_progress)
    second = _of_source(f"the held-out photos ({held_out.name})", held_out, on_progress)
    pairs = [(second, first)]
    if store is not None:
        stored = _of_store(store, on_progress)
        pairs += [(stored, first), (stored, second)]
        if stored.gone:
            words = (
                f"{len(stored.gone)} stored photos are not where they were: they are compared by their digests alone"
            )
            on_progress(Progress("hash the stored photos", message=words))
    for known, asked in pairs:
        shared = shared_photos(known, asked, bits)
        if shared:
            raise _refusal(known, asked, shared, bits)


def shared_photos(known: Group, asked: Group, bits: int) -> list[str]:
    """Return the photos of `asked` that `known` has, each in words with the one that it is there."""
    words = [
        f"{pair.second.external_id} ({'the same file as' if pair.same_file else 'like'} {pair.first.external_id}"
        f"{'' if pair.same_file else f', {pair.bits} bits apart'})"
        for pair in nearest_pairs(known.hashed, asked.hashed, bits)
    ]
    return words + [
        f"{photo.external_id} (the same file as {known.gone[photo.sha256]})"
        for photo in asked.hashed.photos
        if photo.sha256 in known.gone
    ]


def _of_source(name: str, source: ImageSource, on_progress: OnProgress) -> Group:
    hashed = hashed_source(source.images(), source.name, len(source), f"hash {name}", on_progress)
    return Group(name, hashed, {})


def _of_store(store: FeatureStore, on_progress: OnProgress) -> Group:
    hashed = hashed_photos(store, on_progress)
    there = {photo.sha256 for photo in hashed.photos}
    gone = {photo.sha256: photo.external_id for photo in store.segments.photos() if photo.sha256 not in there}
    return Group("the store", hashed, gone)


def _refusal(known: Group, asked: Group, shared: Sequence[str], bits: int) -> DataError:
    got = f"{len(shared)} of {asked.name} are in {known.name}: {some(shared, SHOWN)}"
    todo = (
        "take a split whose photos are neither in the store nor held out; where these are other photos that only look "
        f"alike, compare more strictly than --bits {bits}"
    )
    return DataError("photos that tune, that judge, and that are stored, apart from each other", got, todo)
