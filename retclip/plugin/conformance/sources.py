"""What is tried of an image source: unique records in a fixed order, identities from the files, classes it lists."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from retclip.errors import ContractBroken
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import SourceImage
from retclip.plugin.discovery import ComponentInfo

AT_ONCE = 20  # records that are listed


def _classes(image_source: Any, info: ComponentInfo) -> None:
    source = CheckedSource(image_source, info.full_name)
    source.classes()
    if not source.name:
        raise ContractBroken("a name", repr(source.name), "name the data set")


def _records(source: Any, info: ComponentInfo) -> object:
    source = CheckedSource(source, info.full_name)
    first: list[SourceImage] = list(islice(source.images(), AT_ONCE))
    if not first:
        return "it has no images"
    ids = [record.external_id for record in first]
    if len(set(ids)) != len(ids) or ids != [record.external_id for record in islice(source.images(), AT_ONCE)]:
        raise ContractBroken("unique ids in a fixed order", f"{ids[:5]}", "sort the records")
    class_names = {source_class.name for source_class in source.classes()}
    for record in first[:3]:
        image = record.load()
        if image.sha256 != record.file_digest():
            raise ContractBroken("the image's sha256 to be its file's", image.sha256[:12], "digest the file's bytes")
        again = record.load()
        if again.sha256 != image.sha256 or not np.array_equal(again.pixels, image.pixels):
            raise ContractBroken("the same photo twice", f"others of {record.external_id}", "read the file it names")
        annotated = {segment.class_name for segment in image.truth.segments} if image.truth else set()
        if not annotated <= class_names:
            raise ContractBroken(
                "classes of the source", ", ".join(sorted(annotated - class_names)), "list them in classes()"
            )
        if record.class_names is not None and not annotated <= set(record.class_names):
            got = f"{', '.join(sorted(annotated - set(record.class_names)))} beside `class_names` of the record"
            todo = "name every class of the annotation there, or None: builds pass over photos by it"
            raise ContractBroken("records that name what they show", got, todo)
    digests = [record.annotation_digest for record in first]
    if digests != [record.annotation_digest for record in islice(source.images(), AT_ONCE)]:
        raise ContractBroken(
            "the same annotation digests twice", "others", "digest what is annotated, and nothing else"
        )
    if len(first) < AT_ONCE and len(source) != len(first):
        raise ContractBroken(f"len() to be its {len(first)} records", f"{len(source)}", "count what images() yields")
    return None


CHECKS = (
    ("classes", _classes),
    ("records", _records),
)
