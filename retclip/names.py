"""What a class name may be, when two names are one class, and a match's record.

One rule for names wherever they come from: class lists, annotations, tables, folders, plugins, edits of the store.
White space of any kind is one space, letters are in Unicode's composed form (NFC), invisible characters are left out,
except where they write something: the joiners of Persian, Indic scripts and emoji, the variation selectors and tags of
emoji. Control characters, lone surrogates, blanks and names too long for the catalog are refused.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from retclip.errors import DataError
from retclip.escaping import brief

LONGEST = 200  # characters of a name, and of its key: what the catalog's columns hold
JOINERS = frozenset("\u200c\u200d")
UNCASED = frozenset({"Lo", "Lm", "Mn", "Mc", "So", "Sk"})  # letters without case, marks, pictographs: what joins
FLAG, TAGS = "\U0001f3f4", range(0xE0020, 0xE0080)  # the flags of England, Scotland and Wales are a flag and tags
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")  # marks and letters that nobody sees
SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))  # how a character is drawn


def comma_list(text: str) -> list[str]:
    """Return the parts of a comma list, without the blanks around them. A part that holds a comma stands in double
    quotes, as in CSV (RFC 4180, section 2): `sky, "cup, paper"` has two.

    Raises DataError for a quote that is not closed.
    """
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    closed = re.sub(r'"\s+(?=,|$)', '"', text)  # CSV allows no blank between a quote and its comma
    try:
        return [part.strip() for row in csv.reader([closed], skipinitialspace=True, strict=True) for part in row]
    except csv.Error as error:
        todo = """put a name with a comma in double quotes: 'sky, "cup, paper"'"""
        raise DataError("a comma list", f"{brief(text)}: {error}", todo) from error


def checked_name(name: Any, where: str) -> str:
    """Return the normalised name.

    where: the record that contains it, for errors.
    Raises DataError for a name that is no text, is empty or blank, is longer than `LONGEST` characters (its key
    included), or contains a control character or half of a surrogate pair.
    """
    if not isinstance(name, str):
        raise _refused(where, brief(name))
    strange = next(filter(_is_forbidden, name), None)
    if strange is not None:
        raise _refused(where, f"U+{ord(strange):04X} in {name[:60]!r}")
    visible = _visible(name)
    if not 0 < len(visible) <= LONGEST or not 0 < len(name_key(visible)) <= LONGEST:
        raise _refused(
            where, f"{len(visible)} characters, {visible[:60]!r}" if visible else f"a blank one, {name[:60]!r}"
        )
    return visible


def distinct(names: Iterable[str], where: str) -> None:
    """Check that no two names are one class. Raises DataError with both spellings and their places."""
    first_with: dict[str, tuple[int, str]] = {}
    for number, name in enumerate(names, 1):
        earlier, spelled = first_with.setdefault(name_key(name), (number, name))
        if earlier != number:
            both = f"{name!r} twice" if spelled == name else f"{spelled!r} and {name!r}, which are one name"
            got = f"{both}, at {earlier} and {number}"
            raise DataError(f"each class once in {where}", got, "join the two, rename or remove one")


def spaced(name: str) -> str:
    """Return a name with single spaces instead of underscores between its words."""
    return " ".join(name.replace("_", " ").split())


@lru_cache(maxsize=65_536)  # a build asks for each label of each mask
def name_key(name: str) -> str:
    """Return the key of a class name: casefolded, white space collapsed, in Unicode form NFKC, without invisible
    characters.

    "Traffic  Light" and "traffic light" are one class, "ＴＶ" and "tv" too; a joiner that writes something counts.
    Every text has a key that a database can store, also one that is no valid name.
    """
    text = "".join(
        character for character in _visible(name) if character not in SELECTORS and not _is_forbidden(character)
    )
    for _ in range(2):  # to fold case can take a composed letter apart
        text = unicodedata.normalize("NFKC", text).casefold()
    return _visible(text)


def _visible(name: str) -> str:
    """Return the name composed, with white space as single spaces, without invisible characters that write nothing."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    characters: list[str] = []
    for letter in " ".join(unicodedata.normalize("NFC", name).split()):
        while letter == " " and characters and characters[-1] in JOINERS:
            characters.pop()
        if letter not in BLANK and (not _is_format(letter) or _writes(letter, characters)):
            characters.append(letter)
    return " ".join("".join(characters).rstrip("\u200c\u200d").split())


def _is_forbidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") and not letter.isspace()


def _is_format(letter: str) -> bool:
    return letter in SELECTORS or unicodedata.category(letter) == "Cf"


def _writes(letter: str, before: list[str]) -> bool:
    """Return whether an invisible character changes what is written.

    before: the letters that it follows.
    """
    last = before[-1] if before else " "
    if letter in SELECTORS:
        return last != " " and last not in SELECTORS
    if letter in JOINERS:
        return unicodedata.category(last) in UNCASED
    return ord(letter) in TAGS and (last == FLAG or ord(last) in TAGS)


def _refused(where: str, got: str) -> DataError:
    expected = f"a name of 1 to {LONGEST} characters in {where}"
    return DataError(expected, got, "correct or shorten the name; leave control characters out")


class MatchKind(StrEnum):
    """How a class of the user's was found in the store."""

    EXACT = "exact"
    SYNONYM = "synonym"
    TEXT = "text"
    MAP = "map"  # a person said so
    FALLBACK = "fallback"  # fetched from the fallback data set under the user's name
    MISSING = "missing"


@dataclass(frozen=True)
class LabelMatch:
    """The match of a class of the vocabulary to a class of the store.

    name: in the vocabulary.
    store_class: the class matched to, None = no match.
    how: the rule that matched.
    similarity: cosine of the texts in [-1, 1].
    nearest: the nearest class as a hint.
    dataset: the data set that the class was fetched from.
    """

    name: str
    store_class: str | None
    how: MatchKind
    similarity: float = 1.0  # cosine of the texts where `how` is text, [-1, 1]
    nearest: str | None = None  # what came nearest where nothing matched; where `how` is fallback, the class there
    dataset: str = ""  # where `how` is fallback: the data set it was fetched from

    @property
    def is_of_another_name(self) -> bool:
        """Whether the class is called otherwise than the user calls it: in the store, or where it was fetched."""
        found = (self.store_class, self.nearest if self.how is MatchKind.FALLBACK else None)
        return any(name is not None and name_key(name) != name_key(self.name) for name in found)

    def as_dict(self) -> dict[str, str | float | None]:
        """Plain data for JSON: which class stands for which name, and why; of one that was fetched also what it is
        called in which data set."""
        stands = {"name": self.name, "class": self.store_class, "how": str(self.how), "similarity": self.similarity}
        return {**stands, "fetched": self.nearest, "dataset": self.dataset} if self.dataset else stands
