"""Opens the photos of a store again: at their recorded address, else through the sources that listed them.

A photo in a tar or a table has no file of its own, a generated one may be gone, a file may have moved with its data
set: their sources find them by name. A photo is accepted only where its bytes are the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from retclip.data.images import read_image
from retclip.errors import DataError, RetCLIPError
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import stored_name
from retclip.store.records import StoredPhoto
from retclip.types import Image
from retclip.workflows.building.units import storable
from retclip.workflows.segment.decode_ahead import decoded

PHOTO = "photo"  # the key under which a record carries what is stored of it
LOST_AT_ONCE = 50_000  # photos that are remembered until their sources are walked over: about 50 MB
OpenSource = Callable[[str], ImageSource]
Reason = tuple[str, str, str]  # what was expected, what came, what to do
Lost = dict[int, tuple[StoredPhoto, Reason]]


def photos_missing_vectors(
    store: FeatureStore, space_id: int, open_source: OpenSource
) -> Iterator[tuple[StoredPhoto, Image | DataError]]:
    """Yield every image with a segment that has no vector in that space, with its pixels or the reason why there are
    none.

    Images at their recorded address come first; whenever LOST_AT_ONCE others have gathered, and at the end, each source
    that may have them is read once.
    """
    lost: Lost = {}
    for photo, answer in _opened(map(_file, _stored(store, space_id))):
        if isinstance(answer, Image):
            yield photo, answer
            continue
        lost[photo.id] = photo, _reason(answer)
        if len(lost) == LOST_AT_ONCE:
            yield from _looked_for(store, lost, open_source)
            lost.clear()
    yield from _looked_for(store, lost, open_source)


def _looked_for(
    store: FeatureStore, lost: Lost, open_source: OpenSource
) -> Iterator[tuple[StoredPhoto, Image | DataError]]:
    """Yield each of the lost photos once, with its pixels where a source has it."""
    for photo, answer in _from_sources(store, lost, open_source):
        if photo.id not in lost:
            continue  # the source has it twice, under two names
        if isinstance(answer, Image):
            del lost[photo.id]
            yield photo, answer
        else:
            lost[photo.id] = photo, _reason(answer)
    for photo, reason in lost.values():
        yield photo, DataError(*reason)


def _reason(error: DataError) -> Reason:
    """Return an error's texts without the error, which would keep its frames and a file's content in memory."""
    return error.expected, error.got, error.todo


def _stored(store: FeatureStore, space_id: int) -> Iterator[StoredPhoto]:
    last = 0
    while True:
        page = store.spaces.photos_missing_vectors(space_id, last)
        if not page:
            return
        yield from page
        last = page[-1].id


def _file(photo: StoredPhoto) -> SourceImage:
    """Return the photo as a file of its own."""
    path = Path(photo.uri)
    return SourceImage(photo.external_id, photo.uri, partial(read_image, path), str, extra={PHOTO: photo})


def _opened(records: Iterable[SourceImage]) -> Iterator[tuple[StoredPhoto, Image | DataError]]:
    for record, answer in decoded(records):
        photo: StoredPhoto = record.extra[PHOTO]
        yield photo, _checked(photo, record.uri, answer) if isinstance(answer, Image) else answer


def _checked(photo: StoredPhoto, place: str, image: Image) -> Image | DataError:
    if image.sha256 == photo.sha256 and image.size == photo.size:
        return image
    got = f"another photo ({image.sha256[:12]}..., {image.size[0]} x {image.size[1]})"
    return DataError(f"the photo {photo.sha256[:12]}... at {place}", got, "bring the stored one back")


def _from_sources(
    store: FeatureStore, lost: Lost, open_source: OpenSource
) -> Iterator[tuple[StoredPhoto, Image | DataError]]:
    if not lost:
        return
    places = store.spaces.addresses([photo for photo, _ in lost.values()])
    for address, photos_of in places.items():
        still = {name: [photo for photo in photos if photo.id in lost] for name, photos in photos_of.items()}
        remaining = {name: photos for name, photos in still.items() if photos}
        if not remaining:
            continue
        try:
            yield from _opened(_records(open_source(address), remaining))
        except (RetCLIPError, OSError) as error:  # it is gone, or damaged: what it would say is not known
            for photo in [photo for photos in remaining.values() for photo in photos if photo.id in lost]:
                expected, got, todo = lost[photo.id][1]
                yield photo, DataError(expected, f"{got}; and its source {address}: {error}", todo)


def _records(source: ImageSource, photos_of: dict[str, list[StoredPhoto]]) -> Iterator[SourceImage]:
    """Yield the source's records of these photos; reading stops with the last one.

    photos_of: photos by the name of their record.
    """
    left = dict(photos_of)
    for record in source.images():
        for photo in left.pop(stored_name(storable(record).external_id), ()):
            yield replace(record, extra={PHOTO: photo})
        if not left:
            return
