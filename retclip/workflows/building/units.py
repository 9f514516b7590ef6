"""Plans a build: which images of a source still need work, by the ledger, and which only lost a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from retclip.config import Settings
from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.plugin.weights import cache_folder_if_any, cached_in
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import digest, failed_key, unit_key
from retclip.store.records import Failure, OpenRun

Note = Callable[[str, SourceImage, str], Failure]  # key, record, reason


@dataclass(frozen=True)
class Unit:
    """The work on one image.

    class_names: classes to build.
    absent: classes that the source says are absent, so that segments of an earlier annotation are retired.
    content: digest of annotation and recipe.
    position: of the record in its source, from 0, by which another process finds it.
    """

    record: SourceImage
    key: str
    content: str
    class_names: tuple[str, ...]
    absent: tuple[str, ...]
    position: int = 0


@dataclass(frozen=True)
class Planned:
    """The plan of a group of images.

    units: the images to process.
    finished: images finished before, or copies of another one.
    empty: images without one of the classes.
    failures: images that are unreadable, or failed too often.
    suspects: keys of units during which a process died.
    """

    units: tuple[Unit, ...]
    finished: int
    empty: int
    failures: tuple[Failure, ...]
    suspects: frozenset[str] = frozenset()

    @property
    def groups(self) -> list[tuple[Unit, ...]]:
        """Return the units to process and store together; a suspect is alone, so that it cannot fail others."""
        sound = tuple(unit for unit in self.units if unit.key not in self.suspects)
        alone: list[tuple[Unit, ...]] = [(unit,) for unit in self.units if unit.key in self.suspects]
        return [sound, *alone] if sound else alone


@dataclass(frozen=True)
class Search:
    """What a run searches in every record of its source.

    run: its recipe decides whether a record is finished.
    address: of the source.
    class_names: classes to build.
    space: id of the feature space.
    retry: whether units that failed too often are tried again.
    """

    run: OpenRun
    address: str
    class_names: Sequence[str]
    space: str
    retry: bool = False


def plan_units(
    store: FeatureStore, search: Search, records: Sequence[SourceImage], first: int = 0, note: Note | None = None
) -> Planned:
    """Return which of those records need work; reads the files that may.

    first: position of the first record in its source.
    note: handles an unreadable record; None = record it in the ledger.
    """
    note = note or partial(record_failure, store, search.run)
    records = [storable(record) for record in records]
    unseen = [record.external_id for record in records if not present(record, search.class_names)]
    emptied = store.runs.images_with_slots(search.run, unseen, search.class_names)
    units, failures, empty = [], [], 0
    for position, record in enumerate(records, start=first):
        classes = present(record, search.class_names)
        if not classes and record.external_id not in emptied:
            empty += 1
            continue
        try:
            units.append(replace(_unit(record, search, classes), position=position))
        except DataError as error:
            failures.append(note(failed_key(search.address, record.external_id), record, str(error)))
    copies = len(units) - len({unit.key for unit in units})  # the same bytes twice are one image
    units = list({unit.key: unit for unit in reversed(units)}.values())[::-1]
    states = store.runs.unit_states([unit.key for unit in units])
    done, poison = states.finished, {} if search.retry else states.poisoned
    todo = tuple(unit for unit in units if unit.key not in done and unit.key not in poison)
    failures += [poison[unit.key] for unit in units if unit.key in poison]
    return Planned(todo, sum(unit.key in done for unit in units) + copies, empty, tuple(failures), states.suspects)


def memory_of(settings: Settings) -> Path | None:
    """Return the folder in which builds remember what files gave; None where the user has no home."""
    with cached_in(settings.weights.place):
        return cache_folder_if_any()


def storable(record: SourceImage) -> SourceImage:
    """Return the record with names that SQL can store."""
    return replace(record, external_id=storable_text(record.external_id), uri=storable_text(record.uri))


def storable_text(text: str) -> str:
    """Return the text with escapes for bytes that are no Unicode, and for a zero, which PostgreSQL does not accept."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def record_failure(store: FeatureStore, run: OpenRun, key: str, record: SourceImage, reason: str) -> Failure:
    """Write a failed attempt into the ledger."""
    failure = Failure(record.external_id, record.uri, storable_text(reason))
    store.runs.record_failure(run, key, failure)
    return failure


def present(record: SourceImage, class_names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the classes that the image may show."""
    return (
        tuple(class_names) if record.class_names is None else tuple(n for n in class_names if n in record.class_names)
    )


def _unit(record: SourceImage, search: Search, classes: tuple[str, ...]) -> Unit:
    recipe = search.run.recipe
    key = unit_key(record.file_digest(), record.annotation_digest, recipe, search.space, classes)
    absent = tuple(name for name in search.class_names if name not in classes)
    return Unit(record, key, digest(record.annotation_digest, recipe), classes, absent)
