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
    """Whether a file is LVIS', by its categories or its name."""
    categories = (one for one in document["categories"] if isinstance(one, dict))
    return file.name.startswith("lvis") or any(not FIELDS.isdisjoint(one) for one in categories)


def looked_for(
    objects: AnnotatedObjects, photo: Mapping[str, Any], categories: Mapping[int, SourceClass], file: Path
) -> AnnotatedObjects:
    """The objects of a photo of LVIS with what its record says of the other classes. A record that does not say it
    leaves nothing to count average precision against."""
    try:
        absent, incomplete = (_names(photo[key], categories) for key in (ABSENT, INCOMPLETE))
    except (KeyError, TypeError):
        reason = f"{file.name} does not say which classes were looked for in each photo ({ABSENT}, {INCOMPLETE})"
        return replace(objects, uncounted=reason)
    return replace(objects, absent=absent, incomplete=incomplete)


def _names(numbers: Iterable[Any], categories: Mapping[int, SourceClass]) -> frozenset[str]:
    return frozenset(categories[one].name for one in numbers if one in categories)
