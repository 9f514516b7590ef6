"""`memory.search` and `memory.show`: from what a person asks to stored segments, by the components of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retclip.asked_space import backbone_of, chosen_space, require_text
from retclip.data.inputs import ImageInput, as_image
from retclip.errors import ConfigError, DataError
from retclip.kinds import checked_kind
from retclip.report.segment_report import SegmentReport
from retclip.report.segment_table import SegmentTable
from retclip.store.records import ListedSegment, SegmentFilter
from retclip.workflows.search.query_vector import Marked, photo_vector, text_vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retclip.session import Session
    from retclip.store.feature_store import FeatureStore
    from retclip.types import FeatureSpace

STORED = "in the order in which they were stored"


@dataclass(frozen=True)
class SegmentQuestion:
    """What a person looks for: one of text, image and segment, or none for a list.

    text: in words.
    image: a photo, as `segment` takes it.
    segment: the id of a stored segment, or its first 8 digits or more.
    marked: where in the photo.
    space: a backbone or a space's id, where the store holds several; None = the one that the settings choose.
    """

    text: str | None = None
    image: ImageInput | None = None
    segment: UUID | str | None = None
    marked: Marked = field(default_factory=Marked)
    space: str | None = None

    def __post_init__(self) -> None:
        asked = [name for name in ("text", "image", "segment") if getattr(self, name) is not None]
        if len(asked) > 1:
            raise ConfigError("one of --text, --image and --segment", " and ".join(asked), "give one")
        if self.marked.words and self.image is None:
            raise ConfigError("--image beside --box, --point and --mask", "none", "name the photo")
        for name in ("text", "space"):
            if (words := getattr(self, name)) is not None:
                checked_kind(words, str, f"`{name}` as text", "write it in quotes")
        if self.text is not None and not self.text.strip():
            raise ConfigError("words after --text", "none", "write e.g. --text 'a red car'")


@dataclass(frozen=True)
class QuestionVector:
    """A question as a vector.

    vector: (d,) float32 of unit length.
    words: what was asked, for people and the cursor.
    without: segments that are no answer to it.
    """

    vector: NDArray[np.float32]
    words: tuple[str, ...]
    without: tuple[UUID, ...] = ()


def search(
    session: Session, question: SegmentQuestion, chosen: SegmentFilter, limit: int, cursor: str | None
) -> SegmentTable:
    """Answer a question with a page of segments; see `RetCLIP.search`."""
    store = session.store
    if question.text is None and question.image is None and question.segment is None:
        page = store.segments.select(chosen, limit, cursor)
        rows = _listed(store, page.ids, chosen_space(session, question.space)) if page.ids else ()
        return SegmentTable(rows, STORED, page.next, store.segments.masks)
    space = chosen_space(session, question.space)
    return _nearest(store, space, _asked(session, question, space), chosen, limit, cursor)


def show(session: Session, segment: UUID | str, neighbours: int, space: str | None) -> SegmentReport:
    """Tell everything that is known of a segment; see `RetCLIP.show`."""
    if neighbours < 0:
        raise ConfigError("0 neighbours or more", str(neighbours), "write e.g. --neighbours 8")
    store, (number,) = session.store, session.store.segments.find([str(segment)])
    details, chosen = store.segments.details(number), chosen_space(session, space)
    (listed,) = _listed(store, [number], chosen) or (None,)
    if details is None or listed is None:
        raise DataError("the id of a stored segment", str(segment), "see `retclip store search`")
    near = SegmentTable((), "it has no vector", None, store.segments.masks)
    vectors = store.segments.vectors([number], chosen) if neighbours > 0 else {}
    if vectors:
        asked = QuestionVector(vectors[number], ("segment", str(number)), (number,))
        near = replace(_nearest(store, chosen, asked, SegmentFilter(), neighbours, None), next=None)
    return SegmentReport(replace(details, trust=listed.trust), listed, near)


def _nearest(
    store: FeatureStore,
    space: FeatureSpace,
    asked: QuestionVector,
    chosen: SegmentFilter,
    limit: int,
    cursor: str | None,
) -> SegmentTable:
    """Return a page of the segments that are nearest to a vector."""
    page = store.search(asked.vector, chosen, limit, cursor, asked.words, asked.without, space)
    distances = dict(zip(page.ids, page.distances, strict=True))
    rows = tuple(replace(row, distance=distances[row.id]) for row in _listed(store, page.ids, space))
    walked = "the store is so large that its graph was walked: some of the nearest may be missing"
    notes = (*(() if page.exact else (walked,)), *_lacking(store, space))
    return SegmentTable(rows, f"nearest to {' '.join(asked.words)}", page.next, store.segments.masks, notes)


def _listed(store: FeatureStore, ids: Sequence[UUID], space: FeatureSpace) -> tuple[ListedSegment, ...]:
    """Return segments as lists show them, with the trust in their labels where it was computed."""
    rows, trust = store.segments.listed(ids), store.trust.values(ids, space)
    return tuple(replace(row, trust=trust.get(row.id)) for row in rows)


def _asked(session: Session, question: SegmentQuestion, space: FeatureSpace) -> QuestionVector:
    """Return the question as a vector of a space."""
    store = session.store
    if question.segment is not None:
        (number,) = store.segments.find([str(question.segment)])
        vectors = store.segments.vectors([number], space)
        if number not in vectors:
            todo = f"ask in another --space, or add the missing vectors: {store.spaces.command_to_add(space.backbone)}"
            raise DataError(f"a segment with a vector of {space.backbone}", f"{number}, which has none", todo)
        return QuestionVector(vectors[number], ("segment", str(number)), (number,))
    if question.text is not None:
        require_text(session, space)
        return QuestionVector(text_vector(backbone_of(session, space), question.text), ("text", repr(question.text)))
    image = as_image(question.image)
    models = vocabulary = None
    if question.marked.point is not None:
        models, vocabulary = session.segmenter(), session.prepared(None).vocabulary
    vector = photo_vector(backbone_of(session, space), image, question.marked, models, vocabulary)
    name = Path(image.uri).name or "a photo"
    return QuestionVector(vector, (name, *question.marked.words, f"({image.sha256[:12]})"))


def _lacking(store: FeatureStore, space: FeatureSpace) -> list[str]:
    """Say how many segments cannot be found for want of a vector; in a store of one space every segment has one."""
    if len(store.spaces.rows()) == 1:
        return []
    state = store.spaces.state(space)
    missing = state.lacking + state.without
    command = store.spaces.command_to_add(space.backbone)
    note = f"{missing} of {state.total} segments have no vector of {space.backbone} and are not found by it: {command}"
    return [note] if missing else []


def as_path(file: Any) -> Path | None:
    """Return a path of what names a file, None of None."""
    return None if file is None else Path(fspath(file))
