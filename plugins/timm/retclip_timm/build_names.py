"""Build `names/imagenet_names.csv`: which of ImageNet's 1,000 classes a name stands for, by WordNet 3.0.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet    # Debian's package of WordNet 3.0
    python -m retclip_timm.build_names wordnet/usr/share/wordnet

ImageNet's classes are synsets of WordNet; timm says which, in order (`timm.data.ImageNetInfo`). A name stands for the
classes at or below one synset that has it. By which rule:

    own      a name of one of the 1,000 classes
    below    a name of a kind of animal with at least two of them: of animals the 1,000 are a fair choice
    chosen   `names/choices.csv`, by hand, with a reason where WordNet alone would mislead. Of most kinds of things the
             1,000 have one or two odd members: a stone wall is not what walls look like
    plural   an irregular plural of one of these, by WordNet's list of exceptions
    unknown  a name that must not be known: by choice, or because it is a word of its own that ends like a plural

Of several meanings the first visible one counts (WordNet sorts them by frequency): a kite is a toy first, so the bird
of that name, which is among the 1,000, is not what it stands for.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from timm.data.imagenet_info import ImageNetInfo

from retclip.names import name_key
from retclip_timm.class_names import CHOICES, TABLE, number_ranges, singulars
from retclip_timm.wordnet import WordNet, read_wordnet

ANIMAL = "n00015388"  # animal, animate being, beast, brute, creature, fauna
Row = tuple[str, str, frozenset[int], str]  # name, rule, classes, why


def imagenet_ids() -> dict[str, int]:
    """Return the number of each of ImageNet's 1,000 classes by its id in WordNet."""
    info: Any = ImageNetInfo()
    return {synset: number for number, synset in enumerate(info.label_names())}


def rows_of(wordnet: WordNet, choices: Iterable[dict[str, str]]) -> list[Row]:
    """Return the table, by name. Raises ValueError for a choice whose words do not say which synset is meant."""
    rows: dict[str, Row] = {}
    for synset, below in wordnet.below.items():
        is_own = synset in wordnet.classes
        if not is_own and not (len(below) > 1 and ANIMAL in wordnet.line(synset)):
            continue
        for name in wordnet.synsets[synset].names:
            key = name_key(name)
            if wordnet.first_visible(key) == synset:
                rows[key] = (key, "own" if is_own else "below", below, "")
    for choice in choices:
        rows[choice["noun"]] = _chosen(wordnet, choice)
    known = [row for row in rows.values() if row[2]]
    for name, _, classes, _ in known:
        for plural in wordnet.irregular.get(name, ()):
            rows.setdefault(plural, (plural, "plural", classes, f"of {name}"))
    for word in wordnet.senses:
        own_meaning = wordnet.first_visible(word)
        classes = next((rows[form][2] for form in singulars(word) if form in rows), frozenset[int]())
        if word not in rows and classes and own_meaning and wordnet.below.get(own_meaning) != classes:
            rows[word] = (word, "unknown", frozenset(), "a word of its own")
    return [rows[name] for name in sorted(rows)]


def _chosen(wordnet: WordNet, choice: dict[str, str]) -> Row:
    classes = set[int]()
    for term in filter(None, choice["of"].split(";")):
        classes |= wordnet.below[_synset(wordnet, term)]
    for term in filter(None, choice["without"].split(";")):
        classes -= wordnet.below[_synset(wordnet, term)]
    return choice["noun"], "chosen" if classes else "unknown", frozenset(classes), choice["why"]


def _synset(wordnet: WordNet, term: str) -> str:
    """Return the synset with classes at or below it that a term means.

    term: a name, or NAME:WORDS with another name of the synset, or words of its definition.
    """
    name, _, hint = term.partition(":")
    meant = [sense for sense in wordnet.senses.get(name.lower(), ()) if wordnet.below.get(sense)]
    if hint:
        synsets = wordnet.synsets
        meant = [sense for sense in meant if hint in synsets[sense].names or hint in synsets[sense].gloss]
    if len(meant) != 1:
        senses = [(sense, wordnet.synsets[sense].names, wordnet.synsets[sense].gloss[:60]) for sense in meant]
        raise ValueError(f"{CHOICES.name}: expected one synset for {term!r}, got {senses}")
    return meant[0]


def main(folder: Path) -> None:
    """Write the table. folder: of WordNet's files."""
    with CHOICES.open(encoding="utf-8", newline="") as lines:
        rows = rows_of(read_wordnet(folder, imagenet_ids()), csv.DictReader(lines))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "rule", "classes", "why"))
        writer.writerows((name, rule, number_ranges(classes), why) for name, rule, classes, why in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
