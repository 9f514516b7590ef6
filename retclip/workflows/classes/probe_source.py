"""A probe: images that are segmented before and after a class is added, their annotation in the store's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from retclip.data.source_view import SourceView, with_image
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import ImageSource, SourceClass
from retclip.store.records import StoreClass
from retclip.types import Image, PanopticSegmentation
from retclip.workflows.segment.decode_ahead import decoded


def probe_source(
    source: ImageSource, known: Sequence[SourceClass], meanings: Mapping[str, str], shown: set[str]
) -> SourceView:
    """The images of `source` with the classes `known`.

    meanings: key of a name in the annotation -> class of `known`; what it does not name becomes void, where nothing is
    counted.
    shown: gets every class that is met in an annotation.
    """

    def change(image: Image) -> Image:
        if image.truth is None:
            return image
        truth = renamed(image.truth, meanings)
        shown.update(segment.class_name for segment in truth.segments)
        return replace(image, truth=truth)

    return SourceView(source, known, lambda record: with_image(record, change))


def renamed(truth: PanopticSegmentation, meanings: Mapping[str, str]) -> PanopticSegmentation:
    """The annotation with the classes that its names mean; a segment whose name means none of them becomes void."""
    names = {one.id: meanings.get(name_key(one.class_name)) for one in truth.segments}
    segments = tuple(replace(one, class_name=name) for one in truth.segments if (name := names[one.id]) is not None)
    kept = np.isin(truth.label_map, [one.id for one in segments])
    objects = truth.objects and truth.objects.renamed(lambda name: meanings.get(name_key(name)))
    return PanopticSegmentation(np.where(kept, truth.label_map, 0).astype(np.int32), segments, objects=objects)


def meanings(source: Sequence[SourceClass], stored: Sequence[StoreClass], name: str) -> dict[str, str]:
    """Key of every name that an annotation may use -> class of the store, or the new class `name`. A class of the
    source is the one that its own name means, as name or alias; else the first that one of its synonyms means."""
    known = {name_key(alias): one.name for one in stored for alias in one.aliases}
    known |= {name_key(name): name} | {name_key(one.name): one.name for one in stored}
    found = {}
    for one in source:
        terms = (name_key(term) for term in (one.name, *one.synonyms))
        meant = next((known[term] for term in terms if term in known), None)
        if meant is not None:
            found[name_key(one.name)] = meant
    return found


def is_annotated(source: ImageSource) -> bool:
    """Whether the first image that can be read carries a mask for each thing it shows. Raises DataError where none can
    be read."""
    first = None
    for record, image in decoded(source.images(), ahead=0):
        if isinstance(image, Image):
            return bool(source.classes()) and image.truth is not None
        first = first or f"{record.external_id}: {image}"
    got = f"none in {source.name}" if first is None else f"none in {source.name}, first {first}"
    raise DataError("at least one readable photo to probe with", got, "name photos, a folder, a glob or a source")
