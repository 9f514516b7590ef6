"""Things and stuff by a class list, for data sets that do not say which of their classes are which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from retclip.data.class_entries import read_entries
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import Settings, SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo


class KindSettings(Settings):
    """Settings of a source whose classes may be things or stuff."""

    isthing: str = Field("", description="a class list that says what is a thing: `car | thing`, `sky | stuff`")


def with_kinds(classes: Sequence[SourceClass], settings: KindSettings) -> list[SourceClass]:
    """Return the classes, things and stuff as the list of `settings.isthing` says; without a list as they are.

    A class that the list lacks, or names without a kind, stays as the data set says. The list may name classes of other
    data sets.
    Raises DataError where the list cannot be read, or says of no class what it is.
    """
    if not settings.isthing:
        return list(classes)
    listed = Path(settings.isthing)
    kinds = {name_key(entry.name): entry.is_thing for entry in read_entries(listed) if entry.is_thing is not None}
    if kinds.keys().isdisjoint(name_key(source_class.name) for source_class in classes):
        names = ", ".join(source_class.name for source_class in classes[:5])
        got = f"kinds of {len(kinds)} other classes" if kinds else "names without a kind"
        todo = "write `NAME | thing` or `NAME | stuff` for each class"
        raise DataError(f"what is a thing among the classes {names} in {listed}", got, todo)
    return [
        replace(source_class, is_thing=kinds.get(name_key(source_class.name), source_class.is_thing))
        for source_class in classes
    ]


def with_whole_stuff(truth: PanopticSegmentation) -> PanopticSegmentation:
    """Return the annotation with one segment for each class of stuff, as a panoptic annotation has it.

    Crowd regions and complete masks stay as they are.
    """
    stuff = [segment for segment in truth.segments if not segment.is_thing and not segment.is_crowd]
    first_of: dict[str, SegmentInfo] = {}
    for segment in stuff:
        first = first_of.get(segment.class_name)
        first_of[segment.class_name] = segment if first is None else replace(first, area=first.area + segment.area)
    if len(first_of) == len(stuff):
        return truth
    ids = {segment.id: first_of[segment.class_name].id for segment in stuff}
    segments = [first_of[segment.class_name] if segment.id in ids else segment for segment in truth.segments
                if ids.get(segment.id, segment.id) == segment.id]  # fmt: skip
    numbers = np.arange(int(truth.label_map.max(initial=0)) + 1, dtype=np.int32)
    for number, whole_id in ids.items():
        numbers[number] = whole_id
    return replace(truth, label_map=numbers[truth.label_map], segments=tuple(segments))
