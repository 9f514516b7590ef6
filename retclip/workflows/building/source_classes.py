"""Resolves the class names that a user gives against a source's classes; a typo gets a hint."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import ANNOTATION, ImageSource, SourceClass
from retclip.types import Vocabulary


def annotated_classes(source: ImageSource) -> Sequence[SourceClass]:
    """Return the source's classes. Raises DataError where it has none."""
    classes = source.classes()
    if not classes:
        raise DataError("an annotated source", f"{source.name} without classes", "use coco-panoptic: or label-maps:")
    return classes


def require_annotation(source: ImageSource, address: str, proposer: str, provides: Collection[str], todo: str) -> None:
    """Refuse plain photos where the proposer only reads annotations, because each of them would fail.

    provides: capabilities of the proposer.
    Raises DataError.
    """
    if ANNOTATION in provides and not source.classes():
        got = f"{address}, photos without annotation, and {proposer}, which reads annotations"
        raise DataError("photos that say what they show and where", got, todo)


def annotated_vocabulary(source: ImageSource) -> Vocabulary:
    """Return the source's classes as a vocabulary, of unknown kind where the source does not say it.

    Raises DataError where it has none.
    """
    classes = annotated_classes(source)
    return Vocabulary(
        tuple(source_class.name for source_class in classes),
        tuple(source_class.is_thing for source_class in classes),
        tuple(source_class.synonyms for source_class in classes),
    )


def chosen_classes(
    source: ImageSource, address: str, classes: Vocabulary | None, without: Sequence[str]
) -> tuple[str, ...] | None:
    """The source's own names of `classes` (None = all) less `without`; None where neither chooses. Raises DataError for
    one that the source does not have."""
    if classes is None and not without:
        return None
    everything = tuple(source_class.name for source_class in source.classes())
    names = source_names(source, classes.names, address) if classes else everything
    dropped = source_names(source, without, address)
    return tuple(name for name in names if name not in dropped)


def source_names(source: ImageSource, names: Sequence[str], address: str) -> tuple[str, ...]:
    """The source's own names of those classes, each once. A source without classes takes any name.

    Raises DataError for a class that the source does not have, naming the nearest.
    """
    by_key = {name_key(source_class.name): source_class.name for source_class in source.classes()}
    if not by_key:
        return tuple(names)
    unknown = next((name for name in names if name_key(name) not in by_key), None)
    if unknown is not None:
        near = difflib.get_close_matches(name_key(unknown), list(by_key), n=1, cutoff=0.4)
        some = ", ".join(list(by_key.values())[:20])
        hint = f"did you mean {by_key[near[0]]!r}?" if near else f"its classes: {some}"
        raise DataError(f"a class of {address}", repr(unknown), hint)
    return tuple(dict.fromkeys(by_key[name_key(name)] for name in names))
