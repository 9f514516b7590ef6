"""Leaving classes out of a source, or keeping only some: their pixels become void."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from retclip.data.class_kinds import KindSettings
from retclip.errors import DataError
from retclip.names import distinct, name_key
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation


class AnnotatedSettings(KindSettings):
    """Settings of every annotated source."""

    path: str = Field(description="the data set's folder")
    split: str = Field("", description="a part of the data set, e.g. train or val")
    exclude: tuple[str, ...] = Field((), description="classes to leave out; their pixels become void")
    only: tuple[str, ...] = Field((), description="the only classes to keep")

    @field_validator("exclude", "only", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def data_set_name(root: Path, split: str) -> str:
    """Return the folder's name, with the split where there is one."""
    return f"{root.resolve().name}-{split}" if split else root.resolve().name


def chosen(classes: Sequence[SourceClass], settings: AnnotatedSettings) -> tuple[SourceClass, ...]:
    """Return the classes that stay.

    Raises DataError for a name that is no class of the source, and where two names are one class: annotations of one
    would be misses of the other.
    """
    distinct((source_class.name for source_class in classes), f"the classes of {settings.path}")
    keys = {name_key(source_class.name) for source_class in classes}
    for name in (*settings.exclude, *settings.only):
        if name_key(name) not in keys:
            available = ", ".join(source_class.name for source_class in classes[:20])
            raise DataError(f"a class of {settings.path}", repr(name), f"choose from: {available}")
    excluded = {name_key(name) for name in settings.exclude}
    only = {name_key(name) for name in settings.only} or keys
    return tuple(source_class for source_class in classes if name_key(source_class.name) in only - excluded)


def text_digest(lines: Sequence[str]) -> str:
    """Return the sha256 of lines, also of bytes that are no text, for an annotation of names alone."""
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def keep_classes(truth: PanopticSegmentation, names: frozenset[str]) -> PanopticSegmentation:
    """Return the annotation with the segments of other classes made void."""
    objects = truth.objects and truth.objects.renamed(lambda name: name if name in names else None)
    dropped = [segment.id for segment in truth.segments if segment.class_name not in names]
    if not dropped:
        return truth if objects is None else replace(truth, objects=objects)
    label_map = np.where(np.isin(truth.label_map, dropped), 0, truth.label_map).astype(np.int32)
    segments = tuple(segment for segment in truth.segments if segment.class_name in names)
    return replace(truth, label_map=label_map, segments=segments, objects=objects)
