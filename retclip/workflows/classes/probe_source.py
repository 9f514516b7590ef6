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
    source: ImageSource, classes: Sequence[SourceClass], meanings: Mapping[str, str], shown: set[str]
) -> SourceView:
    """Return the images of `source` with the classes of the store.

    meanings: the class that a name of the annotation means, by the name's key; other names become void.
    shown: gets every class that an annotation shows.
    """

    def change(image: Image) -> Image:
        if image.truth is None:
            return image
        truth = renamed(image.truth, meanings)
        shown.update(segment.class_name for segment in truth.segments)
        return replace(image, truth=truth)

    return SourceView(source, classes, lambda record: with_image(record, change))


def renamed(truth: PanopticSegmentation, meanings: Mapping[str, str]) -> PanopticSegmentation:
    """Return the annotation with the classes that its names mean; a segment whose name means none becomes void."""
    names = {segment.id: meanings.get(name_key(segment.class_name)) for segment in truth.segments}
    segments = tuple(
        replace(segment, class_name=name) for segment in truth.segments if (name := names[segment.id]) is not None
    )
    labelled = np.isin(truth.label_map, [segment.id for segment in segments])
    objects = truth.objects and truth.objects.renamed(lambda name: meanings.get(name_key(name)))
    return PanopticSegmentation(np.where(labelled, truth.label_map, 0).astype(np.int32), segments, objects=objects)


def meanings(source: Sequence[SourceClass], stored: Sequence[StoreClass], name: str) -> dict[str, str]:
    """Return the class of the store, or the new class `name`, that each name of an annotation means, by the name's key.

    A class of the source is the class that its own name means, as name or alias; else the first that a synonym means.
    """
    class_of = {name_key(alias): stored_class.name for stored_class in stored for alias in stored_class.aliases}
    class_of |= {name_key(name): name} | {name_key(stored_class.name): stored_class.name for stored_class in stored}
    meant_by = {}
    for source_class in source:
        terms = (name_key(term) for term in (source_class.name, *source_class.synonyms))
        meant = next((class_of[term] for term in terms if term in class_of), None)
        if meant is not None:
            meant_by[name_key(source_class.name)] = meant
    return meant_by


def is_annotated(source: ImageSource) -> bool:
    """Return whether the first readable image carries an annotation. Raises DataError where none is readable."""
    first = None
    for record, image in decoded(source.images(), ahead=0):
        if isinstance(image, Image):
            return bool(source.classes()) and image.truth is not None
        first = first or f"{record.external_id}: {image}"
    got = f"none in {source.name}" if first is None else f"none in {source.name}, first {first}"
    raise DataError("at least one readable photo to probe with", got, "name photos, a folder, a glob or a source")
