"""What LVIS adds to COCO's form: which classes were looked for in a photo.

Every photo of LVIS is annotated for a few of its 1,203 classes: those of its objects, and those of
`neg_category_ids`, which are not there. Of the classes in `not_exhaustive_category_ids` more objects are there than are
annotated. Predictions of other classes are neither right nor wrong (Gupta et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from retclip.annotated_objects import AnnotatedObjects
from retclip.plugin.contracts import SourceClass

FIELDS = frozenset({"synset", "frequency"})  # of a category; no other COCO file has them
ABSENT, INCOMPLETE = "neg_category_ids", "not_exhaustive_category_ids"


def is_lvis(document: Mapping[str, Any], file: Path) -> bool:
    """Return whether a file is LVIS', by its categories or its name."""
    categories = (category for category in document["categories"] if isinstance(category, dict))
    return file.name.startswith("lvis") or any(not FIELDS.isdisjoint(category) for category in categories)


def looked_for(
    objects: AnnotatedObjects, photo: Mapping[str, Any], categories: Mapping[int, SourceClass], file: Path
) -> AnnotatedObjects:
    """Return the objects of an LVIS photo with the classes that its record calls absent or incomplete.

    Without those two lists no average precision can be counted against the objects.
    """
    try:
        absent, incomplete = (_names(photo[key], categories) for key in (ABSENT, INCOMPLETE))
    except (KeyError, TypeError):
        reason = f"{file.name} does not say which classes were looked for in each photo ({ABSENT}, {INCOMPLETE})"
        return replace(objects, uncounted=reason)
    return replace(objects, absent=absent, incomplete=incomplete)


def _names(numbers: Iterable[Any], categories: Mapping[int, SourceClass]) -> frozenset[str]:
    return frozenset(categories[number].name for number in numbers if number in categories)
