"""Which of ImageNet's 1,000 classes a name stands for: the table `names/imagenet_names.csv`, and regular plurals."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from retclip.names import name_key

FOLDER = Path(__file__).with_name("names")
TABLE, CHOICES = FOLDER / "imagenet_names.csv", FOLDER / "choices.csv"
LIST, CLASSES = "imagenet-1k", 1000  # the labels, in timm's order, which is that of ImageNet's challenge
# Regular plurals and their singulars, WordNet's own rules of detachment (morphy(7WN), nouns).
ENDINGS = (
    ("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"),
)  # fmt: skip


@dataclass(frozen=True)
class NamedClasses:
    """What is known of a name.

    classes: numbers of ImageNet's classes, 0 to 999, ascending; empty = the name must not be known.
    why: the reason of a choice that was made by hand.
    """

    classes: tuple[int, ...]
    why: str = ""


def classes_of(name: str) -> NamedClasses | None:
    """Return the classes that a name stands for; None = nothing is said of it.

    A name is looked up as it is, then as the plural of another. Worked example: "Espresso" is class 967, "dogs" are the
    118 classes 151 to 268, "sky" is said to be none, of "quokka" nothing is said.
    """
    table = _table()
    return next((table[form] for form in (name_key(name), *singulars(name_key(name))) if form in table), None)


def singulars(name: str) -> Iterator[str]:
    """Yield what a name may be the regular plural of.

    Worked example: of "boxes" these are "boxe" and "box".
    """
    for plural, singular in ENDINGS:
        if name.endswith(plural) and len(name) > len(plural) + 1:
            yield name.removesuffix(plural) + singular


def number_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as text.

    Worked example: 3, 4, 5 and 9 are "3-5 9".
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def numbers_in(ranges: str) -> tuple[int, ...]:
    """Return the numbers that `number_ranges` wrote."""
    ends = [part.split("-") for part in ranges.split()]
    return tuple(number for end in ends for number in range(int(end[0]), int(end[-1]) + 1))


@lru_cache(maxsize=1)
def _table() -> dict[str, NamedClasses]:
    with TABLE.open(encoding="utf-8", newline="") as rows:
        return {row["name"]: NamedClasses(numbers_in(row["classes"]), row["why"]) for row in csv.DictReader(rows)}
