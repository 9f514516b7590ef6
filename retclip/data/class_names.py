"""Other names for the classes of a data set: a file says what each is called, and by which further names it is asked.

FC-CLIP asks 403 names for ADE20K's 150 classes; its files (`fcclip/data/datasets/*_with_prompt_eng.txt`) are read as
they are. A class is what its line says and nothing else: the data set's own name is asked only where the line has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from retclip.data.class_entries import ClassEntry, read_entries
from retclip.documents import read_text
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import Settings, SourceClass


class NameSettings(Settings):
    """Settings of a source whose classes have numbers."""

    names: str = Field("", description="a class list that says what each class is called: `1:wall,walls`")


def with_names(classes: Sequence[SourceClass], settings: NameSettings) -> list[SourceClass]:
    """Return the classes, called as the list of `settings.names` says; without a list as they are.

    A line belongs to the class of its number, or of that number less one where all lines count one more than the data
    set, as FC-CLIP's do; without numbers to the class that one of its names is the name of. Its first name is the
    class's, the others its synonyms; what is a thing says `isthing` alone, which may name the same list.
    Raises DataError where the list cannot be read, or does not have one line for each class.
    """
    if not settings.names:
        return list(classes)
    listed = Path(settings.names)
    entries = read_entries(listed)
    unnumbered = [entry.name for entry in entries if entry.number is None]
    if 0 < len(unnumbered) < len(entries):
        got = f"{len(unnumbered)} of {len(entries)} lines without one, first {unnumbered[0]!r}"
        raise DataError(f"a number before each line of {listed}, or before none", got, "write them as 0: NAME, NAME")
    of_class = _by_name(entries, classes, listed) if unnumbered else _by_number(entries, classes, listed)
    called = [of_class[one.native_id] for one in classes]
    return [replace(one, name=new.name, synonyms=new.synonyms) for one, new in zip(classes, called, strict=True)]


def names_digest(settings: object) -> dict[str, str] | None:
    """Return path and sha256 (of the text in UTF-8) of the list that settings name, None where they name none.

    settings: of any reader; what one calls `names` that has no `NameSettings` is its own, and no list.
    Raises DataError where the file cannot be read.
    """
    if not isinstance(settings, NameSettings) or not settings.names:
        return None
    content = read_text(Path(settings.names), "class list").encode(errors="surrogatepass")
    return {"file": settings.names, "sha256": hashlib.sha256(content).hexdigest()}


def _by_number(entries: Sequence[ClassEntry], classes: Sequence[SourceClass], listed: Path) -> dict[int, ClassEntry]:
    """Return the line of each class, by the class's number."""
    numbers, own = {entry.number or 0: entry for entry in entries}, {one.native_id: one.name for one in classes}
    less = 1 if numbers.keys() == {number + 1 for number in own} else 0
    of_class = {number - less: entry for number, entry in numbers.items()}
    if len(of_class) == len(entries) and of_class.keys() == own.keys():
        return of_class
    unknown = [f"number {number}, which no class has" for number in sorted(of_class.keys() - own.keys())]
    lacking = [f"none for {number} ({own[number]!r})" for number in sorted(own.keys() - of_class.keys())]
    twice = ["a number twice"] if len(numbers) < len(entries) else []
    raise _refused(classes, listed, len(entries), (*twice, *unknown[:1], *lacking[:1]))


def _by_name(entries: Sequence[ClassEntry], classes: Sequence[SourceClass], listed: Path) -> dict[int, ClassEntry]:
    """Return the line of each class, by the class's number."""
    own = {name_key(one.name): one for one in classes}
    of_class: dict[int, ClassEntry] = {}
    for entry in entries:
        meant = [own[key] for key in dict.fromkeys(map(name_key, (entry.name, *entry.synonyms))) if key in own]
        if len(meant) != 1 or meant[0].native_id in of_class:
            several = " and ".join(repr(one.name) for one in meant)
            reason = f"{entry.name!r}, whose names are those of {several or 'no class'}"
            if len(meant) == 1:
                reason = f"two lines for {meant[0].name!r}"
            raise _refused(classes, listed, len(entries), (reason,))
        of_class[meant[0].native_id] = entry
    lacking = [one.name for one in classes if one.native_id not in of_class]
    if lacking:
        raise _refused(classes, listed, len(entries), (f"none for {lacking[0]!r}",))
    return of_class


def _refused(classes: Sequence[SourceClass], listed: Path, lines: int, reasons: Sequence[str]) -> DataError:
    numbers = sorted(one.native_id for one in classes)
    expected = f"a line for each of the {len(classes)} classes, numbered {numbers[0]} to {numbers[-1]}, in {listed}"
    todo = "write NUMBER: NAME, NAME for each class of the data set, or name another file"
    return DataError(expected, f"{lines} lines, {', '.join(reasons)}", todo)
