"""`memory.relabel`, `quarantine`, `release` and `retire`: which segments are meant, by ids, list or filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retclip.data.readers.text.text_tables import usable_rows
from retclip.errors import ConfigError, DataError
from retclip.escaping import brief
from retclip.kinds import checked_kind
from retclip.names import name_key
from retclip.passed_over import Tally
from retclip.report.segment_table import SegmentTable
from retclip.store.records import SegmentFilter

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore

Meant = UUID | str | Iterable[UUID | str] | SegmentFilter | SegmentTable
ID_DIGITS = 32
PAGE = 5000  # segments of a filter that are read at once
LIST_HEAD = "segment"
WHO = "ids of segments, a SegmentFilter or a table of `search`"


@dataclass(frozen=True)
class CorrectionList:
    """A list of segments that a file holds.

    segments: ids as they were written.
    classes: of each, "" where the file has no such column.
    suggests: whether the file has classes in a column `suggested`, too.
    """

    segments: tuple[str, ...]
    classes: tuple[str, ...]
    suggests: bool = False

    def labels(self, store: FeatureStore, file: str) -> dict[UUID, str]:
        """Map the segments to their classes. Raises DataError for unknown segments, for one without a class, and for
        one with two."""
        ids = ids_of(store, self.segments)
        without = sum(not name for name in self.classes)
        if without:
            todo = "name the class with --to, take the column `suggested` with --suggested, or fill the column in"
            raise DataError(f"a class for each segment in {file}", f"{without} of {len(ids)} without", todo)
        return _each_once(ids, self.classes, f" in {file}")


def meant_ids(store: FeatureStore, meant: Meant) -> list[UUID]:
    """List the segments that are meant, as `ids_of`, where nobody was asked before. Raises ConfigError, too, for a
    filter without a condition: it would change the whole store."""
    if isinstance(meant, SegmentFilter) and meant.selects_all:
        todo = "add a condition, or name the segments: `memory.search` lists them"
        raise ConfigError("a filter with a condition", "one that selects every segment of the store", todo)
    return ids_of(store, meant)


def ids_of(store: FeatureStore, meant: Meant) -> list[UUID]:
    """List the segments that are meant.

    meant: ids, or 8 digits of them or more; a table; a filter.
    Raises DataError for unknown ids with their count, and where none is meant; ConfigError for what names none.
    """
    if isinstance(meant, SegmentFilter):
        return _filtered(store, meant)
    if isinstance(meant, SegmentTable):
        return list(meant.ids)
    several = _listed(meant)
    whole = {text: _whole(text) for text in several}
    short = [str(text) for text, number in whole.items() if number is None]
    by_beginning = dict(zip(short, store.segments.find(short), strict=True))
    ids = [whole[text] or by_beginning[str(text)] for text in several]
    store.segments.count(SegmentFilter(ids=tuple(ids), states=()))  # refuses unknown ones
    return ids


def read_list(file: str | PathLike[str], column: str = "class") -> CorrectionList:
    """Read a list in CSV: the columns `segment` and, where it has one, of classes; others are ignored. It is read as
    every table is (`text_tables`).

    column: of the classes: `class` or `suggested`.
    Raises DataError for a file that cannot be read, one without such a column or with two, and for a row that cannot be
    read, of which nobody knows what it would say.
    """
    path, tally = Path(file), Tally()
    rows = usable_rows(path, tally)
    head = next(rows)[1]
    segment_at = _column(head, LIST_HEAD, column, path)
    class_at = None if column == "class" and "class" not in map(name_key, head) else _column(head, column, column, path)
    suggested_at = next((at for at, name in enumerate(head) if name_key(name) == "suggested"), None)
    cells = [row for _, row in rows]
    if bad := tally.total.bad:
        got = f"{len(bad)} that cannot be read, first {bad[0].reason}"
        raise DataError(f"rows of segments in {path}", got, "correct them; nothing was changed")
    if not cells:
        raise DataError("a list with a segment", f"{path} with none", "write the id of a segment in each line")
    segments, classes, suggested = (
        tuple(_cell(row[at]) if at is not None and at < len(row) else "" for row in cells)
        for at in (segment_at, class_at, suggested_at)
    )
    return CorrectionList(segments, classes, any(suggested))


def _column(head: Sequence[str], name: str, column: str, path: Path) -> int:
    """Return the place of a column. Raises DataError where there is none, or are two."""
    places = [at for at, title in enumerate(head) if name_key(title) == name]
    if len(places) == 1:
        return places[0]
    wanted = ", ".join((LIST_HEAD, *([column] if column != "class" else [])))
    found = f"{len(places)} columns {name}" if places else f"without {name}"
    todo = f"write the names of its columns into its first line, {name} among them, once"
    raise DataError(f"a CSV list with the columns {wanted}", f"{', '.join(head)[:200]} in {path}, {found}", todo)


def class_counts(store: FeatureStore, ids: Iterable[UUID]) -> dict[str, int]:
    """Count segments by what they are called now, the most frequent first."""
    return dict(Counter(segment.class_name for segment in store.segments.get(list(ids)).values()).most_common())


def class_changes(store: FeatureStore, labels: Mapping[UUID, str]) -> dict[tuple[str, str], int]:
    """Count segments by what they are called now and what they would be called, the most frequent first."""
    stored = store.segments.get(list(labels))
    return dict(Counter((segment.class_name, labels[number]) for number, segment in stored.items()).most_common())


def class_name(name: Any) -> str:
    """Return the name of a class. Raises ConfigError for what is no text."""
    return checked_kind(name, str, "the name of a class as text", "write e.g. 'car'")


def checked_why(why: Any) -> str:
    """Return a reason. Raises ConfigError for what is no text."""
    return checked_kind(why, str, "the reason as text", "write e.g. why='blurred'")


def _listed(meant: Any) -> list[UUID | str]:
    """Return ids as a list. Raises ConfigError for what is none."""
    several = [meant] if isinstance(meant, UUID | str) else meant
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise ConfigError(WHO, brief(meant), "name the segments")
    ids = list(several)
    for number in ids:
        if not isinstance(number, UUID | str):
            raise ConfigError(WHO, f"{brief(number)} among them", "name each by its id, or by 8 digits of it or more")
    return ids


def _filtered(store: FeatureStore, chosen: SegmentFilter) -> list[UUID]:
    ids, after = list[UUID](), None
    while True:
        page = store.segments.select(chosen, PAGE, after)
        ids += page.ids
        if page.next is None:
            break
        after = page.next
    if not ids:
        raise DataError("segments that pass the filter", "none", "see `retclip store search` with the same filter")
    return ids


def _whole(text: UUID | str) -> UUID | None:
    """Read an id that is written in full; None for a shorter one."""
    if isinstance(text, UUID):
        return text
    digits = text.replace("-", "").strip()
    try:
        return UUID(digits) if len(digits) == ID_DIGITS else None
    except ValueError:
        return None


def _cell(text: str | None) -> str:
    """Read a cell; the quote that keeps a spreadsheet from reading a formula is taken off."""
    value = (text or "").strip()
    return value[1:] if value[:1] == "'" and value[1:2] in ("=", "+", "-", "@") else value


def labelled(store: FeatureStore, meant: Meant | Mapping[UUID | str, str], name: str | None) -> dict[UUID, str]:
    """Map the segments that are meant to their new classes.

    name: of the class of all; None: `meant` maps each to its own.
    Raises as `meant_ids`, DataError for a segment with two classes, and ConfigError for a class that is no text.
    """
    if isinstance(meant, Mapping):
        return _each_once(ids_of(store, list(meant)), [class_name(each) for each in meant.values()])
    if name is None:
        raise DataError("the name of a class", "none", "give it, or a mapping of segments to classes")
    return dict.fromkeys(meant_ids(store, meant), class_name(name))


def require_classes(store: FeatureStore, names: Iterable[str]) -> None:
    """Check that the store has classes. Raises DataError with the count of those that it does not have."""
    there = {row.id for row in store.classes.all()}
    several = list(dict.fromkeys(names))
    unknown = [name for name in several if store.classes.id_of(name) not in there]
    if unknown:
        got = f"{len(unknown)} of {len(several)} unknown, the first {unknown[0]!r}"
        raise DataError("classes of the store", got, "choose of `retclip class list`; or make them: --new")


def _each_once(ids: Sequence[UUID], classes: Sequence[str], where: str = "") -> dict[UUID, str]:
    """Map segments to their classes. Raises DataError for a segment with two."""
    labels: dict[UUID, str] = {}
    for segment, name in zip(ids, classes, strict=True):
        if labels.setdefault(segment, name) != name:
            raise DataError(f"one class for each segment{where}", f"two for {segment}", "leave one out")
    return labels
