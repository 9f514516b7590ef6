"""When two names are one class: the key that catalog, vocabulary and label matching share, and a match's record."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


def spaced(name: str) -> str:
    """A name that was written with underscores, as people write it: single spaces between its words."""
    return " ".join(name.replace("_", " ").split())


def name_key(name: str) -> str:
    """Unicode NFKC, casefolded, white space collapsed: "Traffic  Light" and "traffic light" are one class."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
    """A class of the vocabulary and the class of the store that stands for it."""

    name: str
    store_class: str | None
    how: MatchKind
    similarity: float = 1.0  # cosine of the texts where `how` is text, [-1, 1]
    nearest: str | None = None  # what came nearest where nothing matched; where `how` is fallback, the class there
    dataset: str = ""  # where `how` is fallback: the data set it was fetched from
