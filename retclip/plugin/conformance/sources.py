"""What is tried of an image source: unique records in a fixed order, identities from the files, classes it lists."""

from __future__ import annotations

from itertools import islice
from typing import Any

from retclip.errors import ContractBroken
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import SourceImage
from retclip.plugin.discovery import ComponentInfo


def _classes(thing: Any, info: ComponentInfo) -> None:
    source = CheckedSource(thing, info.full_name)
    source.classes()
    if not source.name:
        raise ContractBroken("a name", repr(source.name), "name the data set")


def _records(thing: Any, info: ComponentInfo) -> object:
    thing = CheckedSource(thing, info.full_name)
    first: list[SourceImage] = list(islice(thing.images(), 20))
    if not first:
        return "it has no images"
    ids = [one.external_id for one in first]
    if len(set(ids)) != len(ids) or ids != [one.external_id for one in islice(thing.images(), 20)]:
        raise ContractBroken("unique ids in a fixed order", f"{ids[:5]}", "sort the records")
    known = {one.name for one in thing.classes()}
    for record in first[:3]:
        image = record.load()
        if image.sha256 != record.file_digest():
            raise ContractBroken("the image's sha256 to be its file's", image.sha256[:12], "digest the file's bytes")
        named = {one.class_name for one in image.truth.segments} if image.truth else set()
        if not named <= known:
            raise ContractBroken("classes of the source", ", ".join(sorted(named - known)), "list them in classes()")
    return None


CHECKS = (
    ("classes", _classes),
    ("records", _records),
)
