"""Exports classes: their segments, labels, vectors and provenance into a class file that another store imports.

No photo is written, no account's name, and no path of this machine: of a file its name is left. The same segments give
the same bytes in whatever store they lie.
"""

from __future__ import annotations

import difflib
from collections import Counter
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
from retclip.own_files import require_replaceable
from retclip.store.feature_store import FeatureStore
from retclip.store.records import Export, ExportedRun, ExportedSegment, StoreClass
from retclip.types import FeatureSpace

SUFFIX = ".zip"  # a name of a class, given last, is no file
WEB = ("http://", "https://")


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    sha256, size: of the file, bytes.
    classes: segments by class, without those that count against it alone.
    negatives: negative examples of these classes, of the segments.
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
    negatives: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "space": {"id": self.space.id, **asdict(self.space)}}


def export_classes(
    store: FeatureStore, names: Sequence[str] | None, path: Path, space: FeatureSpace | None = None
) -> ExportReport:
    """Write the visible segments of classes and their negative examples into a class file, whole or not at all.

    names: None = every class that has a segment.
    space: of the vectors, None = the first build's.
    Raises DataError for an unknown class, one without a segment, and a file that cannot be written; ConfigError for a
    file that RetCLIP did not write; SpaceMismatch, StoreMissing for an empty store, StoreDamaged.
    """
    if path.suffix.lower() != SUFFIX:
        raise DataError(f"a class file's name that ends in {SUFFIX}", repr(str(path)), f"write e.g. classes{SUFFIX}")
    require_replaceable(path, "the class file")  # before the work, not after it
    space_id, space = store.spaces.row_of(space)
    chosen = _chosen(store.classes.all(), names)
    export = store.segments.export([store_class.id for store_class in chosen], space_id)
    counts = Counter(segment.category for segment in export.segments if segment.category not in segment.against)
    negatives = sum(bool(segment.against) for segment in export.segments)
    counted = {store_class.name: counts[store_class.id] for store_class in chosen}
    contents = class_file_of(export, chosen, space)
    sha256 = write_class_file(path, contents)
    return ExportReport(
        str(path), sha256, path.stat().st_size, space, counted, len(contents.segments), len(contents.photos),
        export.lacking, negatives,
    )  # fmt: skip


def class_file_of(export: Export, classes: Sequence[StoreClass], space: FeatureSpace) -> ClassFile:
    """Return segments of a store as the contents of a class file."""
    lines = {store_class.id: line for line, store_class in enumerate(classes)}
    photos: dict[str, FilePhoto] = {}
    origins: dict[str, FileOrigin] = {}
    photo_lines, origin_lines = dict[str, int](), dict[str, int]()
    segments = []
    for segment in export.segments:
        photos.setdefault(segment.image_sha256, _photo(segment))
        origin = _origin(segment, export.runs)
        key = origin.model_dump_json()
        origins.setdefault(key, origin)
        photo = photo_lines.setdefault(segment.image_sha256, len(photo_lines))
        origin_line = origin_lines.setdefault(key, len(origin_lines))
        segments.append(_segment(segment, photo, origin_line, lines))
    return ClassFile(
        space, tuple(map(_class, classes)), tuple(photos.values()), tuple(origins.values()), tuple(segments),
        export.vectors,
    )  # fmt: skip


def _chosen(classes: Sequence[StoreClass], names: Sequence[str] | None) -> list[StoreClass]:
    """Return the classes of those names, by name. Raises DataError."""
    if names is None:
        return [store_class for store_class in classes if store_class.segments or store_class.negatives]
    by_key = {name_key(term): known for known in classes for term in (*known.aliases, known.name)}
    chosen: dict[int, StoreClass] = {}
    for name in names:
        store_class = by_key.get(name_key(name))
        if store_class is None:
            near = difflib.get_close_matches(name, [known.name for known in classes], 3)
            todo = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `retclip class list`"
            raise DataError("a class of the store", repr(name), todo)
        if not store_class.segments and not store_class.negatives:
            todo = "leave it out, or add it first: retclip class add"
            raise DataError("a class with segments to export", f"{store_class.name!r}, which has none", todo)
        chosen[store_class.id] = store_class
    return sorted(chosen.values(), key=lambda store_class: store_class.name)


def _class(store_class: StoreClass) -> FileClass:
    others = {name_key(alias): alias for alias in store_class.aliases}
    others.pop(name_key(store_class.name), None)
    return FileClass(
        name=store_class.name, synonyms=tuple(others[key] for key in sorted(others)), thing=store_class.is_thing
    )


def _photo(segment: ExportedSegment) -> FilePhoto:
    height, width = segment.size
    address = segment.credit.address or (segment.uri if segment.uri.startswith(WEB) else "")
    return FilePhoto(
        sha256=segment.image_sha256, id=one_line(segment.external_id)[:256], width=width, height=height,
        address=one_line(address)[:2000], author=one_line(segment.credit.author)[:2000],
        licence=one_line(segment.credit.licence)[:2000],
    )  # fmt: skip


def _origin(segment: ExportedSegment, runs: Mapping[int, ExportedRun]) -> FileOrigin:
    run, components = runs[segment.run], dict(runs[segment.run].components)
    if segment.vector_run is not None and segment.vector_run != segment.run:  # its space was added later
        maker = runs[segment.vector_run].components.get("backbone")
        components |= {"keys": maker} if maker else {}
    return FileOrigin(
        data_set=one_line(run.dataset)[:120], source=one_line(portable_address(run.source))[:2000],
        proposer=segment.proposer, proposer_version=run.proposer_version,
        proposer_settings=without_folders(dict(run.proposer_settings)),
        components={role: Part(**without_folders(dict(part))) for role, part in sorted(components.items())},
    )  # fmt: skip


def _segment(segment: ExportedSegment, photo: int, origin: int, lines: Mapping[int, int]) -> FileSegment:
    """Return a segment. A negative example whose own class is not exported is kept in a class that it counts against.

    lines: of the classes, by row.
    """
    against = sorted(lines[category] for category in segment.against)
    line = lines[segment.category] if segment.category in lines else against[0]
    return FileSegment.model_validate(
        {
            "photo": photo, "origin": origin, "class": line, "prompt": segment.prompt, "ordinal": segment.ordinal,
            "box": segment.box, "area": segment.area, "counts": segment.rle.decode("ascii"),
            "label_source": str(segment.label_source), "confidence": segment.confidence, "score": segment.score,
            "detector_score": segment.detector_score, "mask_score": segment.mask_score, "against": against,
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
    pairs = [
        (key, element) for key, value in settings.items() for element in ((value,) if isinstance(value, str) else value)
    ]
    name = path if isinstance(path, str) else f"{path[0]} and {len(path) - 1} more"
    query = urlencode(pairs, errors="replace", safe="/:,")
    return f"{reader}:{name}{'?' if query else ''}{query}"


def without_folders(value: Any) -> Any:
    """Return plain data in which every absolute path is the name of its file."""
    if isinstance(value, dict):
        return {key: without_folders(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_folders(element) for element in value)
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name if "\\" in value else PurePosixPath(value).name
    return value
