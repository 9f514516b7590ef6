"""Class names as people write them: a comma list on the command line, a text file, or a JSON file.

sky, car                       on the command line: names
car, automobile | thing        a line of a text file: name, synonyms, and whether it is countable
0:wall,walls                   FC-CLIP's own lines are read too
[{"name", "isthing", "synonyms" or "prompt_names"}], or the same under "classes" or "categories", in JSON
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.errors import DataError
from retclip.names import checked_name, distinct, name_key
from retclip.types import Vocabulary

MOST = 4096  # classes of a request
NUMBERED = re.compile(r"^\d+\s*:\s*")
KINDS = {"thing": True, "things": True, "stuff": False}
Entry = tuple[str, tuple[str, ...], bool | None]  # name, synonyms, is_thing (None = not said)


def read_vocabulary(text: str) -> Vocabulary:
    """A comma list, or the name of a .txt or .json file. Raises DataError."""
    if text.lower().endswith((".txt", ".json", ".csv")) or _is_file(text):
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
        text = path.read_text(encoding="utf-8-sig")
        entries = _from_json(json.loads(text)) if path.suffix.lower() == ".json" else _from_lines(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"a readable class list: {path}", str(error), "check the path; save it as UTF-8") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with a name in {path}", got, 'write [{"name": "sky", "isthing": false}]') from error
    return _vocabulary(entries, str(path))


def _from_lines(text: str) -> list[Entry]:
    entries: list[Entry] = []
    for line in text.splitlines():
        line = NUMBERED.sub("", line.partition("#")[0].strip())
        if not line:
            continue
        names, bar, kind = line.partition("|")
        if bar and kind.strip().lower() not in KINDS:
            raise ValueError(f"{kind.strip()!r} after '|' in line {line!r}; write thing or stuff")
        name, *synonyms = (term for term in names.split(",") if term.strip())
        entries.append((name, tuple(synonyms), KINDS.get(kind.strip().lower())))
    return entries


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
        raise TypeError(f"the name {one['name']!r} is no text")
    terms = one.get("synonyms") or one.get("prompt_names") or one.get("fcclip_synonyms") or ()
    terms = terms.split(",") if isinstance(terms, str) else terms
    counts = one.get("isthing", one.get("is_thing"))
    return one["name"], tuple(str(term) for term in terms), None if counts is None else bool(counts)


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
