"""Class names as people write them: a comma list on the command line, or a file of lines, of a table, JSON or YAML.

sky, car                       on the command line: names
car, automobile | thing        a line of a text file: name, synonyms, and whether it is countable
0:wall,walls                   FC-CLIP's own lines are read too
# a remark                     a line of its own; any other # belongs to the name: "C# book", "#1 jersey"
id,name,isthing                a head makes a .csv or .tsv a table: a column of names, perhaps of synonyms and isthing
[{"name", "isthing", "synonyms" or "prompt_names"}], or the same under "classes" or "categories", in JSON
names: {0: sky, 1: car}        a YOLO data set's .yaml
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from retclip.data.flags import as_flag
from retclip.data.readers.text.text_tables import Row, table_rows
from retclip.documents import check_file, lines_of, parse_json, read_text
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import checked_name, distinct, name_key
from retclip.types import Vocabulary

MOST = 4096  # classes of a request
FILES = (".txt", ".json", ".csv", ".tsv", ".yaml", ".yml")
NAME = ("name", "class", "class_name", "display_name", "displayname", "label", "category", "classes", "labels")
TERMS, COUNTS = ("synonyms", "prompt_names"), ("isthing", "is_thing", "thing")
NUMBERED = re.compile(r"^\d+\s*:\s*")
KINDS = {"thing": True, "things": True, "stuff": False}
Entry = tuple[str, tuple[str, ...], bool | None]  # name, synonyms, is_thing (None = not said)


def read_vocabulary(text: str) -> Vocabulary:
    """A comma list, or the name of a file of classes. Raises DataError."""
    if text.lower().endswith(FILES) or _is_file(text):
        return _read_file(Path(text))
    return vocabulary_of(text.split(","))


def vocabulary_of(names: Sequence[str]) -> Vocabulary:
    """Plain names; nobody says whether they count. Raises DataError."""
    return _vocabulary([(name, (), None) for name in names], "the list of classes")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a comma list longer than any file name
        return False


def _read_file(path: Path) -> Vocabulary:
    try:
        return _vocabulary(_entries(path), str(path))
    except RecursionError as error:
        raise DataError(
            f"a class list that nests less deeply: {path}", "hundreds of levels", "write it flat"
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"a readable class list: {path}", str(error), "check the path; save it as UTF-8") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with a name in {path}", got, 'write [{"name": "sky", "isthing": false}]') from error


def _entries(path: Path) -> list[Entry]:
    check_file(path)  # what is no file is no table either
    kind = path.suffix.lower()
    table = list(table_rows(path)) if kind in (".csv", ".tsv") else []
    if table and (name_at := _column(table[0][1], NAME)) is not None:
        return _from_table(table, name_at)
    text = read_text(path, "class list")
    if kind in (".yaml", ".yml"):
        return _from_yaml(yaml.load(text, _Plain))  # noqa: S506  (no more than a SafeLoader)
    return _from_json(parse_json(text, f"class list: {path}")) if kind == ".json" else _from_lines(text)


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases: a few lines of them can stand for more names than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{self.peek_event().anchor}; write out what it stands for")
        return super().compose_node(parent, index)


def is_remark(line: str) -> bool:
    """Whether a line of a list says nothing but to its reader: "# so"; "#1 jersey" is a name."""
    marks = line.strip()
    return marks.startswith("#") and not marks.strip("#")[:1].strip()


def _from_lines(text: str) -> list[Entry]:
    entries: list[Entry] = []
    for line in lines_of(text):
        names, bar, kind = ("" if is_remark(line) else NUMBERED.sub("", line.strip())).partition("|")
        if not (names or bar):
            continue
        kind = kind.partition("#")[0].strip().lower()
        if bar and kind not in KINDS:
            raise ValueError(f"{kind!r} after '|' in line {line.strip()!r}; write thing or stuff")
        name, *synonyms = (term for term in names.split(",") if term.strip())
        entries.append((name, tuple(synonyms), KINDS.get(kind)))
    return entries


def _from_table(rows: Sequence[tuple[int, Row]], name_at: int) -> list[Entry]:
    """Terms of a cell are parted as in a line, or by semicolons."""
    head = rows[0][1]
    terms_at, counts_at = _column(head, TERMS), _column(head, COUNTS)
    entries: list[Entry] = []
    for number, row in rows[1:]:
        if isinstance(row, DataError):
            raise row
        if not any(cell.strip() for cell in row):
            continue
        cells = [row[at].strip() if at is not None and at < len(row) else "" for at in (name_at, terms_at, counts_at)]
        terms = [term for cell in cells[:2] for term in re.split("[,;]", cell) if term.strip()]
        if not terms:
            raise ValueError(f"no name in row {number}")
        entries.append((terms[0], tuple(terms[1:]), as_flag(cells[2]) if cells[2] else None))
    return entries


def _column(head: Row, wanted: Sequence[str]) -> int | None:
    keys = [] if isinstance(head, DataError) else [name_key(cell) for cell in head]
    return next((keys.index(name) for name in wanted if name in keys), None)


def _from_yaml(document: Any) -> list[Entry]:
    """The names of a YOLO data set, in the order of their numbers."""
    names = document["names"] if isinstance(document, Mapping) else document
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=int)]
    if not isinstance(names, list):
        raise TypeError("no list of names")
    return [_entry(str(one) if type(one) is int else one) for one in names]


def _from_json(document: Any) -> list[Entry]:
    if isinstance(document, Mapping):
        document = document.get("classes", document.get("categories"))
    if not isinstance(document, list):
        raise TypeError("no list of classes")
    return [_entry(one) for one in document]


def _entry(one: Any) -> Entry:
    if isinstance(one, str):
        return one, (), None
    if not isinstance(one["name"], str):
        raise TypeError(f"the name {brief(one['name'])} is no text")
    terms = one.get("synonyms") or one.get("prompt_names") or one.get("fcclip_synonyms") or ()
    terms = terms.split(",") if isinstance(terms, str) else terms
    counts = one.get("isthing", one.get("is_thing"))
    return one["name"], tuple(str(term) for term in terms), None if counts is None else as_flag(counts)


def _vocabulary(entries: Sequence[Entry], where: str) -> Vocabulary:
    names, synonyms, things = [], [], []
    for number, (name, more, is_thing) in enumerate(entries, 1):
        record = f"{where}, class {number}"
        shown = checked_name(name, record)
        terms = {name_key(term): term for term in (checked_name(one, record) for one in more)}
        names.append(shown)
        synonyms.append(tuple(term for other, term in terms.items() if other != name_key(shown)))
        things.append(is_thing)
    distinct(names, where)
    if not 0 < len(names) <= MOST:
        raise DataError(f"1 to {MOST} classes in {where}", f"{len(names)}", "name at least one class")
    return Vocabulary(tuple(names), tuple(things), tuple(synonyms))
