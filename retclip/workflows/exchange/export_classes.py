"""Exports classes: their segments, labels, vectors and provenance into a class file that another store imports.

No photo is written, no account's name, and no path of this machine: of a file its name is left. The same segments give
the same bytes in whatever store they lie.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlencode

from retclip.data.class_file.records import ClassFile, FileClass, FileOrigin, FilePhoto, FileSegment, Part
from retclip.data.class_file.writing import write_class_file
from retclip.data.source_address import is_plain, parse_address
from retclip.errors import DataError, RetCLIPError
from retclip.escaping import one_line
from retclip.names import name_key
from retclip.store.feature_store import FeatureStore
from retclip.store.records import Export, ExportedRun, ExportedSegment, StoreClass
from retclip.types import FeatureSpace

SUFFIX = ".zip"  # a name of a class, given last, is no file
WEB = ("http://", "https://")


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    sha256, size: of the file, bytes.
    classes: segments by class.
    lacking: segments that were left out because they have no vector in the space.
    """

    file: str
    sha256: str
    size: int
    space: FeatureSpace
    classes: Mapping[str, int]
    segments: int
    photos: int
    lacking: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "space": {"id": self.space.id, **asdict(self.space)}}


def export_classes(
    store: FeatureStore, names: Sequence[str] | None, path: Path, space: FeatureSpace | None = None
) -> ExportReport:
    """Write the visible segments of classes into a class file, whole or not at all.

    names: None = every class that has a segment.
    space: of the vectors, None = the first build's.
    Raises DataError for an unknown class, one without a segment, and a file that cannot be written; ConfigError for a
    file that RetCLIP did not write; SpaceMismatch, StoreMissing for an empty store, StoreDamaged.
    """
    if path.suffix.lower() != SUFFIX:
        raise DataError(f"a class file's name that ends in {SUFFIX}", repr(str(path)), f"write e.g. classes{SUFFIX}")
    space_id, space = store.spaces.row_of(space)
    chosen = _chosen(store.classes.all(), names)
    export = store.segments.export([one.id for one in chosen], space_id)
    counted = {one.name: sum(segment.category == one.id for segment in export.segments) for one in chosen}
    contents = class_file_of(export, chosen, space)
    sha256 = write_class_file(path, contents)
    return ExportReport(
        str(path), sha256, path.stat().st_size, space, counted, len(contents.segments), len(contents.photos),
        export.lacking,
    )  # fmt: skip


def class_file_of(export: Export, classes: Sequence[StoreClass], space: FeatureSpace) -> ClassFile:
    """Return segments of a store as the contents of a class file."""
    lines = {one.id: line for line, one in enumerate(classes)}
    photos: dict[str, FilePhoto] = {}
    origins: dict[str, FileOrigin] = {}
    photo_lines, origin_lines = dict[str, int](), dict[str, int]()
    segments = []
    for one in export.segments:
        photos.setdefault(one.image_sha256, _photo(one))
        origin = _origin(one, export.runs)
        key = origin.model_dump_json()
        origins.setdefault(key, origin)
        photo = photo_lines.setdefault(one.image_sha256, len(photo_lines))
        segments.append(_segment(one, photo, origin_lines.setdefault(key, len(origin_lines)), lines[one.category]))
    return ClassFile(
        space, tuple(map(_class, classes)), tuple(photos.values()), tuple(origins.values()), tuple(segments),
        export.vectors,
    )  # fmt: skip


def _chosen(classes: Sequence[StoreClass], names: Sequence[str] | None) -> list[StoreClass]:
    """The classes of those names, by name. Raises DataError."""
    if names is None:
        return [one for one in classes if one.segments]
    by_key = {name_key(term): one for one in classes for term in (*one.aliases, one.name)}
    chosen: dict[int, StoreClass] = {}
    for name in names:
        found = by_key.get(name_key(name))
        if found is None:
            near = difflib.get_close_matches(name, [one.name for one in classes], 3)
            todo = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `retclip class list`"
            raise DataError("a class of the store", repr(name), todo)
        if not found.segments:
            todo = "leave it out, or add it first: retclip class add"
            raise DataError("a class with segments to export", f"{found.name!r}, which has none", todo)
        chosen[found.id] = found
    return sorted(chosen.values(), key=lambda one: one.name)


def _class(one: StoreClass) -> FileClass:
    others = {name_key(alias): alias for alias in one.aliases}
    others.pop(name_key(one.name), None)
    return FileClass(name=one.name, synonyms=tuple(others[key] for key in sorted(others)), thing=one.is_thing)


def _photo(one: ExportedSegment) -> FilePhoto:
    height, width = one.size
    address = one.credit.address or (one.uri if one.uri.startswith(WEB) else "")
    return FilePhoto(
        sha256=one.image_sha256, id=one_line(one.external_id)[:256], width=width, height=height,
        address=one_line(address)[:2000], author=one_line(one.credit.author)[:2000],
        licence=one_line(one.credit.licence)[:2000],
    )  # fmt: skip


def _origin(one: ExportedSegment, runs: Mapping[int, ExportedRun]) -> FileOrigin:
    run, components = runs[one.run], dict(runs[one.run].components)
    if one.vector_run is not None and one.vector_run != one.run:  # its space was added later
        maker = runs[one.vector_run].components.get("backbone")
        components |= {"keys": maker} if maker else {}
    return FileOrigin(
        data_set=one_line(run.dataset)[:120], source=one_line(portable_address(run.source))[:2000],
        proposer=one.proposer, proposer_version=run.proposer_version,
        proposer_settings=without_folders(dict(run.proposer_settings)),
        components={role: Part(**without_folders(dict(part))) for role, part in sorted(components.items())},
    )  # fmt: skip


def _segment(one: ExportedSegment, photo: int, origin: int, line: int) -> FileSegment:
    return FileSegment.model_validate(
        {
            "photo": photo, "origin": origin, "class": line, "prompt": one.prompt, "ordinal": one.ordinal,
            "box": one.box, "area": one.area, "counts": one.rle.decode("ascii"),
            "label_source": str(one.label_source), "confidence": one.confidence, "score": one.score,
            "detector_score": one.detector_score, "mask_score": one.mask_score,
        }
    )  # fmt: skip


def portable_address(address: str) -> str:
    """Return a source's address with the names of files instead of their paths on this machine."""
    try:
        reader, settings = parse_address(address)
    except RetCLIPError:
        return ""
    if is_plain(address):
        return str(without_folders(address))
    settings = without_folders(dict(settings))
    path = settings.pop("path", "")
    pairs = [(key, one) for key, value in settings.items() for one in ((value,) if isinstance(value, str) else value)]
    name = path if isinstance(path, str) else f"{path[0]} and {len(path) - 1} more"
    query = urlencode(pairs, errors="replace", safe="/:,")
    return f"{reader}:{name}{'?' if query else ''}{query}"


def without_folders(value: Any) -> Any:
    """Return plain data in which every absolute path is the name of its file."""
    if isinstance(value, dict):
        return {key: without_folders(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_folders(one) for one in value)
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name if "\\" in value else PurePosixPath(value).name
    return value
