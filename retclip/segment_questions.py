"""`memory.search` and `memory.show`: from what a person asks to stored segments, by the components of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retclip.data.inputs import ImageInput, as_image
from retclip.errors import ConfigError, DataError, PluginUnavailable
from retclip.plugin.contracts import TEXT
from retclip.report.segment_report import SegmentReport
from retclip.report.segment_table import SegmentTable
from retclip.store.records import ListedSegment, SegmentFilter
from retclip.workflows.search.query_vector import Marked, photo_vector, text_vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retclip.plugin.contracts import Backbone
    from retclip.session import Session
    from retclip.store.feature_store import FeatureStore
    from retclip.types import FeatureSpace
    from retclip.workflows.segment.parts import Loaded

NEIGHBOURS = 8  # that a report shows
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
        given = [name for name in ("text", "image", "segment") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError("one of --text, --image and --segment", " and ".join(given), "give one")
        if self.marked.words and self.image is None:
            raise ConfigError("--image beside --box, --point and --mask", "none", "name the photo")
        if self.text is not None and not self.text.strip():
            raise ConfigError("words after --text", "none", "write e.g. --text 'a red car'")


def search(
    session: Session, question: SegmentQuestion, chosen: SegmentFilter, limit: int, cursor: str | None
) -> SegmentTable:
    """Answer a question with a page of segments; see `RetCLIP.search`."""
    store = session.store
    if question.text is None and question.image is None and question.segment is None:
        page = store.segments.select(chosen, limit, cursor)
        rows = _listed(session, page.ids, question.space)
        return SegmentTable(rows, STORED, page.next, store.segments.masks)
    space = chosen_space(session, question.space)
    vector, words, without = _asked(session, question, space)
    found = store.search(vector, chosen, limit, cursor, words, without, space)
    distances = dict(zip(found.ids, found.distances, strict=True))
    rows = tuple(replace(one, distance=distances[one.id]) for one in _listed(session, found.ids, space.id))
    notes = (
        [] if found.exact else ["the store is so large that its graph was walked: some of the nearest may be missing"]
    )
    return SegmentTable(
        rows, f"nearest to {' '.join(words)}", found.next, store.segments.masks, (*notes, *_lacking(store, space))
    )


def show(session: Session, segment: UUID | str, neighbours: int, space: str | None) -> SegmentReport:
    """Tell everything that is known of a segment; see `RetCLIP.show`."""
    store, (number,) = session.store, session.store.segments.find([str(segment)])
    details = store.segments.details(number)
    (listed,) = _listed(session, [number], space) or (None,)
    if details is None or listed is None:
        raise DataError("the id of a stored segment", str(segment), "see `retclip store search`")
    near = SegmentTable((), "it has no vector", None, store.segments.masks)
    chosen = chosen_space(session, space)
    if neighbours > 0 and store.segments.vectors([number], chosen):
        question = SegmentQuestion(segment=number, space=chosen.id)
        near = replace(search(session, question, SegmentFilter(), neighbours, None), next=None)
    return SegmentReport(replace(details, trust=listed.trust), listed, near)


def chosen_space(session: Session, named: str | None) -> FeatureSpace:
    """Return the feature space of a question: the named one, else that of the configured keys, else the only one.

    named: a backbone, or the id of a space.
    Raises StoreMissing for an empty store, SpaceMismatch where none or several are meant.
    """
    store, parts = session.store, session.settings.components
    if named is not None:
        return store.spaces.of_backbone(_full_name(session, named))
    rows = store.spaces.rows()
    if len(rows) == 1:
        return rows[0][1]
    return store.spaces.of_backbone(_full_name(session, parts.keys or parts.backbone))


def _listed(session: Session, ids: Sequence[UUID], space: str | None) -> tuple[ListedSegment, ...]:
    """Return segments as lists show them, with the trust in their labels where it was computed."""
    rows = session.store.segments.listed(ids)
    if not rows:
        return ()
    trust = session.store.trust.values(ids, chosen_space(session, space))
    return tuple(replace(one, trust=trust.get(one.id)) for one in rows)


def _full_name(session: Session, name: str) -> str:
    """Return a backbone's full name; a name of none that is here unchanged: the store may know it."""
    try:
        return session.components.manager.find("backbone", name).full_name
    except (PluginUnavailable, ConfigError):
        return name


def _asked(
    session: Session, question: SegmentQuestion, space: FeatureSpace
) -> tuple[NDArray[np.float32], tuple[str, ...], Sequence[UUID]]:
    """Return the question's vector, its words, and the segments that are no answer to it."""
    store = session.store
    if question.segment is not None:
        (number,) = store.segments.find([str(question.segment)])
        vectors = store.segments.vectors([number], space)
        if number not in vectors:
            todo = f"ask in another --space, or add the missing vectors: {store.spaces.command_to_add(space.backbone)}"
            raise DataError(f"a segment with a vector of {space.backbone}", f"{number}, which has none", todo)
        return vectors[number], ("segment", str(number)), [number]
    if question.text is not None:
        _require_text(session, space)
        return text_vector(_backbone(session, space), question.text), ("text", repr(question.text)), ()
    image = as_image(question.image)
    models = vocabulary = None
    if question.marked.point is not None:
        models, vocabulary = session.segmenter(), session.prepared(None).vocabulary
    vector = photo_vector(_backbone(session, space), image, question.marked, models, vocabulary)
    name = Path(image.uri).name or "a photo"
    return vector, (name, *question.marked.words, f"({image.sha256[:12]})"), ()


def _require_text(session: Session, space: FeatureSpace) -> None:
    """Raise ConfigError unless the space's backbone reads; which of the store's and of those installed do is named."""
    manager, store = session.components.manager, session.store
    readers = {info.full_name for info in manager.components("backbone") if TEXT in info.component.provides}
    if space.backbone in readers:
        return
    stored = [row.backbone for _, row in store.spaces.rows() if row.backbone in readers]
    got = f"vectors of {space.backbone}, which has none"
    if stored:
        raise ConfigError(
            "a backbone with a text tower", got, f"ask in its space: --space {' or --space '.join(stored)}"
        )
    there = ", ".join(sorted(readers)) or "none that is installed"
    command = store.spaces.command_to_add(min(readers)) if readers else "retclip plugins list"
    todo = f"ask with --image or --segment, or add vectors of one that has: {there}; {command}"
    raise ConfigError("a backbone with a text tower", got, todo)


def _backbone(session: Session, space: FeatureSpace) -> Loaded[Backbone]:
    """Return the space's backbone. Raises PluginUnavailable, WeightsMissing, and SpaceMismatch where its settings make
    another space."""
    components = session.components
    components.manager.require_weights(
        [components.manager.find("backbone", space.backbone)], components.settings.of_component
    )
    loaded: Loaded[Any] = components.component("backbone", space.backbone)
    if loaded.component.space.id != space.id:
        raise session.store.spaces.mismatch([(0, space)], loaded.component.space)
    return loaded


def _lacking(store: FeatureStore, space: FeatureSpace) -> list[str]:
    """Say how many segments cannot be found for want of a vector; in a store of one space every segment has one."""
    if len(store.spaces.rows()) == 1:
        return []
    state = store.spaces.state(space)
    missing = state.lacking + state.without
    command = store.spaces.command_to_add(space.backbone)
    told = f"{missing} of {state.total} segments have no vector of {space.backbone} and are not found by it: {command}"
    return [told] if missing else []


def as_filter(chosen: SegmentFilter | None) -> SegmentFilter:
    """Return a filter, the visible segments where there is none."""
    return SegmentFilter() if chosen is None else chosen


def as_path(file: Any) -> Path | None:
    """Return a path of what names a file, None of None."""
    return None if file is None else Path(fspath(file))
