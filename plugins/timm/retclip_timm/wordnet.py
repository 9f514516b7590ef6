"""The nouns of WordNet 3.0's own files, for `build_names` (formats: wndb(5WN), wninput(5WN))."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HYPERNYM, INSTANCE = "@", "@i"
VISIBLE, PERSON, PLANT = "n00001930", "n00007846", "n00017222"  # physical entity, person, plant
FOODS = {"n00021265", "n07555863", "n07705931", "n07707451"}  # food, solid food, edible fruit, vegetable


@dataclass(frozen=True)
class Synset:
    """A meaning.

    names: that have it.
    above: ids of the meanings above it.
    gloss: its definition.
    is_instance: whether it is one person, place or thing.
    """

    names: tuple[str, ...]
    above: tuple[str, ...]
    gloss: str
    is_instance: bool


@dataclass(frozen=True)
class WordNet:
    """The nouns.

    synsets: by id, "n" and eight digits.
    senses: ids by name in lower case, the most frequent first.
    irregular: singular -> irregular plurals.
    classes: ids of some synsets -> their number; here ImageNet's.
    """

    synsets: Mapping[str, Synset]
    senses: Mapping[str, list[str]]
    irregular: Mapping[str, list[str]]
    classes: Mapping[str, int]

    @cached_property
    def below(self) -> Mapping[str, frozenset[int]]:
        """Return by id the numbers of the classes at or below it."""
        numbers = defaultdict[str, set[int]](set)
        for synset, number in self.classes.items():
            for reached in self.line(synset):
                numbers[reached].add(number)
        return {synset: frozenset(below) for synset, below in numbers.items()}

    def line(self, synset: str) -> set[str]:
        """Return the id itself and all that are above it."""
        reached, waiting = set[str](), [synset]
        while waiting:
            current = waiting.pop()
            if current not in reached:
                reached.add(current)
                waiting += self.synsets[current].above
        return reached

    def first_visible(self, name: str) -> str | None:
        """Return the most frequent meaning of a name that can be seen; None = there is none.

        A kind of person counts only where it is a class, a plant only where the name is no food.
        """
        lines = {sense: self.line(sense) for sense in self.senses.get(name, ()) if not self.synsets[sense].is_instance}
        visible = [sense for sense, line in lines.items() if VISIBLE in line]
        visible = [sense for sense in visible if PERSON not in lines[sense] or sense in self.classes]
        is_food = any(FOODS & lines[sense] for sense in visible)
        return next((sense for sense in visible if not (is_food and PLANT in lines[sense])), None)


def read_wordnet(folder: Path, classes: Mapping[str, int]) -> WordNet:
    """Return the nouns of `data.noun`, `index.noun` and `noun.exc`. Raises OSError."""
    senses = {}
    for line in _lines(folder / "index.noun"):
        words = line.split()
        senses[words[0].replace("_", " ")] = [f"n{offset}" for offset in words[-int(words[2]) :]]
    irregular = defaultdict[str, list[str]](list)
    for line in _lines(folder / "noun.exc"):
        plural, *singulars = line.replace("_", " ").split() if "_" not in line else line.split()
        for singular in singulars:
            irregular[singular.replace("_", " ")].append(plural.replace("_", " "))
    return WordNet(dict(map(_synset, _lines(folder / "data.noun"))), senses, irregular, classes)


def _lines(file: Path) -> Iterator[str]:
    """Yield the records; the licence before them is set off by two spaces."""
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if line.strip() and not line.startswith("  "))


def _synset(line: str) -> tuple[str, Synset]:
    """Return id and meaning of a record: offset, file, type, number of words, words, pointers, `|` and the gloss."""
    data, _, gloss = line.partition("|")
    words = data.split()
    count = int(words[3], 16)
    names = tuple(word.replace("_", " ") for word in words[4 : 4 + 2 * count : 2])
    pointers = words[5 + 2 * count :]
    kinds, targets = pointers[::4], pointers[1::4]
    above = tuple(f"n{target}" for kind, target in zip(kinds, targets, strict=False) if kind == HYPERNYM)
    return f"n{words[0]}", Synset(names, above, gloss.strip(), INSTANCE in kinds)
