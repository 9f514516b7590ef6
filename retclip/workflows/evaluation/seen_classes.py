"""Which classes of a source count as seen, where a person lists them."""

from __future__ import annotations

from retclip.errors import DataError
from retclip.names import name_key
from retclip.types import Vocabulary
from retclip.workflows.segment.score_masks import classes_with_terms


def listed_as_seen(classes: Vocabulary, seen: Vocabulary) -> tuple[bool, ...]:
    """Return per class whether it has a term in common with the list (method.md 1.7).

    classes: c classes of the source.
    seen: the list.
    Raises DataError where none has.
    """
    flags = tuple(classes_with_terms(classes, {name_key(term) for term in seen.terms}).tolist())
    if not any(flags):
        examples = ", ".join(classes.names[:5])
        raise DataError(f"seen classes of the source, e.g. {examples}", ", ".join(seen.names[:5]), "correct --seen")
    return flags
