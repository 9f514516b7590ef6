"""Classes as a file lists them: lines, a table, JSON or YAML. Another form is refused, and not read as names.

car, automobile | thing        a line of a text file: name, synonyms, and whether it is countable
"cup, paper", mug              a name with a comma
0:wall,walls                   FC-CLIP's own lines are read too; its `3:invalid_class_id` is no class
# a remark                     a line of its own; any other # belongs to the name: "C# book", "#1 jersey"
id,name,isthing                a head makes a .csv or .tsv a table: a column of names, perhaps of synonyms and isthing
[{"name", "isthing", "synonyms" or "prompt_names"}], or the same under "classes" or "categories", in JSON
names: {0: sky, 1: car}        a YOLO data set's .yaml
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from retclip.data.flags import as_flag
from retclip.data.readers.text.table_columns import title_key
from retclip.data.readers.text.text_tables import Row, table_rows
from retclip.documents import check_file, lines_of, parse_json, read_text
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import checked_name, comma_list, distinct, name_key

MOST = 8192  # classes of a list; more is another file than a list of classes
EITHER = ("class", "label", "category", "classes", "labels")  # titles of names or of numbers
NAME = ("name", "displayname", "classname", "categoryname", "labelname", *EITHER)
TERMS, COUNTS = ("synonyms", "prompt_names"), ("isthing", "is_thing", "thing")
NUMBER = (
    "id", "idx", "index", "number", "value", "no", "nr", "pixel",
    *(f"{what}{number}" for what in ("class", "label", "category", "pixel", "train")
      for number in ("id", "idx", "index", "number", "value", "no", "nr")),
    *EITHER,  # beside a column of names
)  # fmt: skip
NUMBERED = re.compile(r"^(\d+)\s*:\s*")
NO_CLASS = "invalid_class_id"  # how FC-CLIP's lists call a number that no class has
KINDS = {"thing": True, "things": True, "stuff": False}
FORMS = "write a name a line, a .csv with a column `name`, JSON or a YOLO data.yaml"
FOREIGN = (  # how the first line of another form begins, and which form that is
    (re.compile(r"<[?!/A-Za-z]"), "XML or HTML"),
    (re.compile(r"[{\[]"), "JSON, or lines of it"),
    (re.compile(r"\w+\s*:?\s*\{"), "a protobuf text (.pbtxt)"),
    (re.compile(r"(names|nc|path|train|val|test|classes|categories|labels|id2label)\s*:|\w+:$"), "YAML"),
    (re.compile(r"[-*]\s"), "a list of YAML or Markdown"),
    (re.compile(r"\w+\s+=\s|\w+\s*=\s*[\"'\[({]"), "settings or code"),
)


@dataclass(frozen=True)
class ClassEntry:
    """A class of a list.

    is_thing: None = not stated.
    number: the number before its name; None without one.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    is_thing: bool | None = None
    number: int | None = None


def read_entries(path: Path) -> list[ClassEntry]:
    """Return the checked classes of a file. Raises DataError."""
    try:
        return checked_entries(_entries(path), str(path))
    except RecursionError as error:
        raise DataError(
            f"a class list that nests less deeply: {path}", "hundreds of levels", "write it flat"
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"a readable class list: {path}", str(error), "check the path; save it as UTF-8") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with a name in {path}", got, 'write [{"name": "sky", "isthing": false}]') from error


def checked_entries(entries: Sequence[ClassEntry], where: str) -> list[ClassEntry]:
    """Return the classes with their names as they are stored, each once. Raises DataError.

    where: the list, for errors.
    """
    checked: list[ClassEntry] = []
    for place, entry in enumerate(entries, 1):
        record = f"{where}, class {place}"
        shown = checked_name(entry.name, record)
        terms = {name_key(term): term for term in (checked_name(more, record) for more in entry.synonyms)}
        synonyms = tuple(term for key, term in terms.items() if key != name_key(shown))
        checked.append(ClassEntry(shown, synonyms, entry.is_thing, entry.number))
    distinct((entry.name for entry in checked), where)
    if not 0 < len(checked) <= MOST:
        todo = "ask for a part of them" if checked else "name at least one class"
        raise DataError(f"1 to {MOST} classes in {where}", f"{len(checked)}", todo)
    return checked


def _entries(path: Path) -> list[ClassEntry]:
    check_file(path)  # what is no file is no table either
    kind = path.suffix.lower()
    table = list(table_rows(path)) if kind in (".csv", ".tsv") else []
    if table and (name_at := _column_of_names(table)) is not None:
        return _from_table(table, name_at)
    _check_headless(table, path)
    text = read_text(path, "class list")
    if kind in (".yaml", ".yml"):
        return _from_yaml(yaml.load(text, _Plain))  # noqa: S506  (no more than a SafeLoader)
    return _from_json(parse_json(text, f"class list: {path}")) if kind == ".json" else _from_lines(text, path)


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases, a few lines of which can stand for more names than any memory holds, and without a key
    that comes twice, whose first value would be lost."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{self.peek_event().anchor}; write out what it stands for")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.YAMLError("a key twice in one mapping; remove one")
        return mapping


def _is_remark(line: str) -> bool:
    """Return whether a line is a comment: "# so"; "#1 jersey" is a name."""
    marks = line.strip()
    return marks.startswith("#") and not marks.strip("#")[:1].strip()


def _from_lines(text: str, path: Path) -> list[ClassEntry]:
    lines = [line.strip() for line in lines_of(text) if line.strip() and not _is_remark(line)]
    _check_lines(lines, path)
    entries: list[ClassEntry] = []
    for line in lines:
        numbered = NUMBERED.match(line)
        names, bar, kind = NUMBERED.sub("", line).partition("|")
        if numbered and names.strip() == NO_CLASS:
            continue
        kind = kind.partition("#")[0].strip().lower()
        if bar and kind not in KINDS:
            raise ValueError(f"{kind!r} after '|' in line {line!r}; write thing or stuff")
        name, *synonyms = _terms(names, path) or [""]
        if not name:
            raise _refused(path, "a line without a name", line, "name each class")
        if synonyms and name.strip().isdecimal():
            raise _refused(path, "a table without a head", line)
        number = int(numbered[1]) if numbered else None
        entries.append(ClassEntry(name, tuple(synonyms), KINDS.get(kind), number))
    return entries


def _terms(names: str, path: Path) -> list[str]:
    try:
        return [term for term in comma_list(names) if term]
    except DataError as error:
        raise _refused(path, "quotes that are not closed, or text behind them", names, error.todo) from error


def _check_lines(lines: Sequence[str], path: Path) -> None:
    """Check that lines are names, not another form, or a table. Raises DataError."""
    for begins, form in FOREIGN:
        if lines and begins.match(lines[0]):
            raise _refused(path, form, lines[0])
    parted = next((line for line in lines if "\t" in line), None)
    if parted is not None:
        raise _refused(path, "a table without a head", parted)
    places = [re.match(r"(\d+)\s+\S", line) for line in lines]
    numbers = [int(match[1]) for match in places if match]
    if len(numbers) == len(lines) > 1 and numbers == list(range(numbers[0], numbers[0] + len(lines))):
        raise _refused(path, "numbers before the names", lines[0], "write them as 0: NAME, or leave them out")


def _check_headless(table: Sequence[tuple[int, Row]], path: Path) -> None:
    """Check that a .csv or .tsv without a column of names holds lines, not cells. Raises DataError."""
    for number, row in table:
        cells = [] if isinstance(row, DataError) else [cell.strip() for cell in row if cell.strip()]
        if len(cells) > 1 and any(map(_is_number, cells)):
            raise _refused(path, f"a table without a column `name`, row {number}", ", ".join(cells))


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdecimal()


def _refused(path: Path, form: str, line: str, todo: str = FORMS) -> DataError:
    return DataError(f"names of classes in {path}", f"{form}: {brief(line)}", todo)


def _from_table(rows: Sequence[tuple[int, Row]], name_at: int) -> list[ClassEntry]:
    """Return the classes of a table; the terms of a cell are split as in a line, or by semicolons."""
    head = rows[0][1]
    places = [name_at, *(column_of(head, usual, name_at) for usual in (TERMS, COUNTS, NUMBER))]
    entries: list[ClassEntry] = []
    for number, row in rows[1:]:
        if isinstance(row, DataError):
            raise row
        if not any(cell.strip() for cell in row):
            continue
        cells = [row[at].strip() if at is not None and at < len(row) else "" for at in places]
        terms = [term for cell in cells[:2] for term in re.split("[,;]", cell) if term.strip()]
        if not terms:
            raise ValueError(f"no name in row {number}")
        is_thing = as_flag(cells[2]) if cells[2] else None
        entries.append(ClassEntry(terms[0], tuple(terms[1:]), is_thing, _number(cells[3], number)))
    return entries


def _column_of_names(rows: Sequence[tuple[int, Row]]) -> int | None:
    """Return the place of the first usual title, of those of either that is not above numbers; None without one."""
    head = rows[0][1]
    if isinstance(head, DataError):
        return None
    places, below = _columns_of(head, NAME), [row for _, row in rows[1:] if not isinstance(row, DataError)]
    names = (at for at in places if title_key(head[at]) not in EITHER or not all(map(_is_number, _cells(below, at))))
    return next(names, places[0] if places else None)


def _cells(rows: Sequence[list[str]], at: int) -> Iterator[str]:
    return (row[at].strip() for row in rows if at < len(row))


def _number(cell: str, row: int) -> int | None:
    """Return the number in a cell: "7" or, as spreadsheets write it, "7.0"; None for an empty one or another code.

    Raises ValueError for a number that is none of a class: names would be counted from 0 in its place.
    """
    if cell.isdecimal():
        return int(cell)  # a fraction of 8 bytes holds no number above 2**53 exactly
    try:
        number = float(cell)
    except ValueError:  # "n01443537"
        return None
    if not (number >= 0 and number.is_integer()):
        raise ValueError(f"the number {brief(cell)} in row {row}, not a whole one from 0 on")
    return int(number)


def column_of(head: Row, usual: Sequence[str], other: int | None = None) -> int | None:
    """Return the place of the first usual title in a table's head, None without one. "Class ID" is class_id, too.

    other: a place that is another column's.
    """
    return next((place for place in _columns_of(head, usual) if place != other), None)


def _columns_of(head: Row, usual: Sequence[str]) -> list[int]:
    keys = [] if isinstance(head, DataError) else [title_key(cell) for cell in head]
    return [keys.index(key) for name in usual if (key := title_key(name)) in keys]


def _from_yaml(document: Any) -> list[ClassEntry]:
    """Return the classes of a YOLO data set, in the order of their numbers."""
    names = document["names"] if isinstance(document, Mapping) else document
    if isinstance(names, Mapping):
        numbered = {int(key): name for key, name in names.items()}
        if len(numbered) < len(names):
            raise ValueError("a number twice")
        return [_entry(_as_name(numbered[key]), key) for key in sorted(numbered)]
    if not isinstance(names, list):
        raise TypeError("no list of names")
    return [_entry(_as_name(name)) for name in names]


def _as_name(value: Any) -> Any:
    """Return the name that a YAML number stands for."""
    return str(value) if type(value) is int else value


def _from_json(document: Any) -> list[ClassEntry]:
    if isinstance(document, Mapping):
        document = document.get("classes", document.get("categories"))
    if not isinstance(document, list):
        raise TypeError("no list of classes")
    return [_entry(record) for record in document]


def _entry(record: Any, number: int | None = None) -> ClassEntry:
    if isinstance(record, str):
        return ClassEntry(record, number=number)
    if not isinstance(record, Mapping):
        raise TypeError(f"{brief(record)} is no name")
    if not isinstance(record["name"], str):
        raise TypeError(f"the name {brief(record['name'])} is no text")
    terms = record.get("synonyms") or record.get("prompt_names") or record.get("fcclip_synonyms") or ()
    terms = terms.split(",") if isinstance(terms, str) else terms
    counts = record.get("isthing", record.get("is_thing"))
    is_thing = None if counts is None else as_flag(counts)
    return ClassEntry(record["name"], tuple(str(term) for term in terms), is_thing, number)
