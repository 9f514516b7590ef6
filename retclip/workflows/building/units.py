"""Which images of a source still need work: units, what the ledger says of them, and those that only lost a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import digest, failed_key, unit_key
from retclip.store.records import Failure, OpenRun

Note = Callable[[str, SourceImage, str], Failure]  # key, record, reason


@dataclass(frozen=True)
class Unit:
    """One image's work. class_names: what to look for. absent: what the source says is not there, so that what an
    earlier annotation put there is retired. content: digest of annotation and recipe. position: of the record in its
    source, counted from 0, by which another process finds it again."""

    record: SourceImage
    key: str
    content: str
    class_names: tuple[str, ...]
    absent: tuple[str, ...]
    position: int = 0


@dataclass(frozen=True)
class Planned:
    """A group of images: those to work on, and how many need none. finished: done before, or copies of one that is not.
    failures: unreadable, or failed too often.
    suspects: keys of units on which a process died."""

    units: tuple[Unit, ...]
    finished: int
    empty: int
    failures: tuple[Failure, ...]
    suspects: frozenset[str] = frozenset()

    @property
    def groups(self) -> list[tuple[Unit, ...]]:
        """What is worked on and stored together; a suspect is alone, so that it takes no other with it."""
        sound = tuple(unit for unit in self.units if unit.key not in self.suspects)
        alone: list[tuple[Unit, ...]] = [(unit,) for unit in self.units if unit.key in self.suspects]
        return [sound, *alone] if sound else alone


@dataclass(frozen=True)
class Search:
    """What a run asks of every record of its source.

    run: by whose recipe a record is done or not.
    address: of the source.
    class_names: to look for.
    space: id of the feature space.
    retry: whether what failed too often is tried again.
    """

    run: OpenRun
    address: str
    class_names: Sequence[str]
    space: str
    retry: bool = False


def plan_units(
    store: FeatureStore, search: Search, records: Sequence[SourceImage], first: int = 0, note: Note | None = None
) -> Planned:
    """Find out which of those records need work; reads the files that may.

    first: the position of the first record in its source.
    note: what to do with an unreadable one; None: write it into the ledger.
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


def storable(record: SourceImage) -> SourceImage:
    """The record with names that SQL can hold."""
    return replace(record, external_id=storable_text(record.external_id), uri=storable_text(record.uri))


def storable_text(text: str) -> str:
    """Bytes of a file name that are no Unicode become escapes, and so does a zero, which PostgreSQL does not take."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def record_failure(store: FeatureStore, run: OpenRun, key: str, record: SourceImage, reason: str) -> Failure:
    """Write a failed attempt into the ledger."""
    failure = Failure(record.external_id, record.uri, storable_text(reason))
    store.runs.record_failure(run, key, failure)
    return failure


def present(record: SourceImage, class_names: Sequence[str]) -> tuple[str, ...]:
    """Of the wanted classes those that the image may show."""
    return (
        tuple(class_names) if record.class_names is None else tuple(n for n in class_names if n in record.class_names)
    )


def _unit(record: SourceImage, search: Search, classes: tuple[str, ...]) -> Unit:
    recipe = search.run.recipe
    key = unit_key(record.file_digest(), record.annotation_digest, recipe, search.space, classes)
    absent = tuple(name for name in search.class_names if name not in classes)
    return Unit(record, key, digest(record.annotation_digest, recipe), classes, absent)
