"""Annotated objects with their complete masks as plain arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.annotated_objects import AnnotatedObjects, ObjectMask


def put_objects(arrays: dict[str, NDArray[Any]], objects: AnnotatedObjects) -> dict[str, Any]:
    """Write the run lengths of all objects into one array, and return what else is known of them."""
    runs = [each.runs for each in objects.objects]
    arrays["object_runs"] = np.concatenate([np.zeros(0, dtype=np.int32), *runs]).astype(np.int32)
    return {
        "objects": [
            {
                "class_name": each.class_name, "is_thing": each.is_thing, "is_crowd": each.is_crowd, "area": each.area,
                "size": each.size, "box": [(int(side.start), int(side.stop)) for side in each.box],
                "runs": len(each.runs),
            }
            for each in objects.objects
        ],
        "absent": None if objects.absent is None else sorted(objects.absent),
        "incomplete": sorted(objects.incomplete), "uncounted": objects.uncounted,
    }  # fmt: skip


def objects_in(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> AnnotatedObjects:
    """Read what `put_objects` wrote."""
    ends = np.cumsum([row["runs"] for row in about["objects"]], dtype=np.int64)
    runs = np.split(arrays["object_runs"], ends[:-1]) if len(ends) else []
    objects = tuple(
        ObjectMask(
            row["class_name"], row["is_thing"], row["is_crowd"], row["area"], tuple(row["size"]),
            (slice(*row["box"][0]), slice(*row["box"][1])), lengths,
        )
        for row, lengths in zip(about["objects"], runs, strict=True)
    )  # fmt: skip
    absent = None if about["absent"] is None else frozenset(about["absent"])
    return AnnotatedObjects(objects, absent, frozenset(about["incomplete"]), about["uncounted"])
