"""Imports a class file: its segments come into the store with their labels, masks, vectors and origin.

    class file -> classes by name -> units of (photo, origin) that are not there -> archive shard + one SQL transaction
               -> the index follows

It is the way of a build, so it may be killed anywhere and repeated: what is there stays, nothing comes twice, nothing
is retired. All runs of an import, one for each origin in the file, speak under one event. Vectors of another space are
refused, or made anew from the photos with the store's own backbone (`recompute`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip._version import __version__
from retclip.data.class_file.records import ClassFile, FileOrigin
from retclip.data.source_address import absolute_address
from retclip.errors import DataError
from retclip.plugin.contracts import Backbone, ImageSource
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import Failure, OpenRun, RunPlan, UnitResult, Wanted
from retclip.store.states import CLASS_FILE, RunKind, SegmentStatus
from retclip.types import PhotoCredit
from retclip.workflows.building.build_loop import ended_with, signs_of_life
from retclip.workflows.building.mask_vectors import mask_vectors
from retclip.workflows.building.provenance import records
from retclip.workflows.building.units import storable_text
from retclip.workflows.exchange.import_report import ImportReport, classes_met
from retclip.workflows.exchange.import_space import import_space
from retclip.workflows.exchange.import_units import FileUnits, ImportUnit, origin_recipe
from retclip.workflows.exchange.photos_by_digest import photos_by_digest
from retclip.workflows.segment.parts import Loaded

OpenKeys = Callable[[], Loaded[Backbone]]


@dataclass(frozen=True)
class ImportOptions:
    """How a class file is imported.

    file: how the user names it.
    photos: where its photos may be, None = nobody says; address: of that source.
    recompute: make the vectors anew from these photos.
    dry_run: only tell what would be stored.
    at_once: photos that are stored together.
    weights_place: folder of weights, None = the default.
    """

    file: str
    photos: ImageSource | None = None
    address: str = ""
    recompute: bool = False
    dry_run: bool = False
    at_once: int = 16
    weights_place: Path | None = None


def import_classes(
    store: FeatureStore,
    contents: ClassFile,
    open_keys: OpenKeys,
    options: ImportOptions,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Store the segments of a class file that the store does not have.

    open_keys: loads the backbone whose vectors the store holds; called for an empty store, and to recompute.
    Raises SpaceMismatch where the file's vectors are of another space, StoreBusy, StoreError; with `recompute` a photo
    that cannot be used is a failure in the report. On KeyboardInterrupt what is finished stays, and the next import of
    the file goes on under the same event.
    """
    keys = open_keys() if options.recompute or not store.spaces.rows() else None
    space = import_space(store, contents, options.file, keys, options.recompute)
    wanted = {photo.sha256 for photo in contents.photos} if options.photos is not None else set()
    photos = photos_by_digest(options.photos, wanted, on_progress) if options.photos is not None else {}
    report = ImportReport(
        options.file, contents.sha256, options.dry_run, classes_met(contents.classes, store.classes.all()),
        photos_found=len(photos), photos_missing=len(wanted) - len(photos),
    )  # fmt: skip
    units = FileUnits(contents, space, photos)
    loop = _Import(store, units, keys if options.recompute else None, options, report)
    return loop.planned() if options.dry_run else loop.stored(on_progress)


class _Import:
    """One import; `report` is its state at any time."""

    def __init__(
        self,
        store: FeatureStore,
        file_units: FileUnits,
        keys: Loaded[Backbone] | None,
        options: ImportOptions,
        report: ImportReport,
    ) -> None:
        self._store, self._file_units, self._contents, self._keys = store, file_units, file_units.contents, keys
        self._options, self.report = options, report
        classes = self._contents.classes
        self._is_thing = {file_class.name: file_class.thing for file_class in classes}
        self._synonyms = {file_class.name: file_class.synonyms for file_class in classes if file_class.synonyms}
        self._seen = 0
        self._unsaid: dict[str, list[UUID]] = {}  # of segments that are there: of which class each is no example

    def planned(self) -> ImportReport:
        """Return what would be stored; nothing is written."""
        units = self._units()
        if self._keys is not None:
            units = [unit for unit in units if self._file_units.record(unit) is not None]
        self._count([line for unit in units for line in unit.lines], {unit.photo for unit in units})
        return self.report

    def stored(self, on_progress: OnProgress) -> ImportReport:
        """Store what is not there; the index follows also what an import before this one stored when it was stopped."""
        self._store.refresh()
        units, runs = self._units(), list[OpenRun]()
        origins = sorted({unit.origin for unit in units} or self._origins_of_unsaid())
        goes_on = self._store.classes.note_of_import(self._contents.sha256) if origins else {}
        for origin in origins:
            run = self._store.runs.start(self._plan(self._contents.origins[origin], goes_on))
            runs.append(run)
            with ended_with(self._store, run, self._counts), signs_of_life(self._store, run):
                self._work_through(run, [unit for unit in units if unit.origin == origin], len(units), on_progress)
            goes_on = self._store.classes.note_of_import(self._contents.sha256)
        event = self._store.classes.finish_import(self._contents.sha256, runs, self._unsaid) if runs else None
        self.report = replace(self.report, event=event)
        return self.report

    def _counts(self) -> dict[str, int]:
        return {"segments": self.report.segments, "photos": self.report.photos}

    def _units(self) -> list[ImportUnit]:
        """Return the units with a segment that the store does not have; counts the others."""
        ids = self._file_units.ids
        segments = self._store.segments.get(ids)
        stored = {number for number, segment in segments.items() if segment.status != SegmentStatus.RETIRED}
        self.report = replace(self.report, present=sum(number in stored for number in ids))
        said = dict[str, list[UUID]]()
        for line, number in enumerate(ids):
            for name in self._file_units.against(line) if number in stored else ():
                said.setdefault(name, []).append(number)
        self._unsaid = self._store.classes.unsaid_negatives(said) if said else {}
        known = {number for several in self._unsaid.values() for number in several}
        self.report = replace(self.report, negatives=self.report.negatives + len(known))
        return self._file_units.without(stored)

    def _origins_of_unsaid(self) -> set[int]:
        """Return the origin under whose run negative examples are recorded where no segment is stored."""
        known = {number for several in self._unsaid.values() for number in several}
        lines = (line for line, number in enumerate(self._file_units.ids) if number in known)
        return {self._contents.segments[line].origin for line in islice(lines, 1)}

    def _plan(self, origin: FileOrigin, goes_on: Mapping[str, Any]) -> RunPlan:
        options = self._options
        components = {role: part.model_dump(mode="json") for role, part in origin.components.items()}
        if self._keys is not None:
            components |= records({"keys": self._keys}, options.weights_place)
        about = {"file": options.file, "sha256": self._contents.sha256, "source": origin.source}
        return RunPlan(
            kind=RunKind.CLASS_IMPORT,
            source=storable_text(absolute_address(options.address)) if options.address else CLASS_FILE + options.file,
            dataset=origin.data_set, proposer=origin.proposer, proposer_version=origin.proposer_version,
            proposer_settings=origin.proposer_settings, recipe=origin_recipe(origin), space=self._file_units.space,
            config={"import": {**about, "recompute": options.recompute}, **goes_on}, components=components,
            program=__version__,
        )  # fmt: skip

    def _work_through(self, run: OpenRun, units: Sequence[ImportUnit], total: int, on_progress: OnProgress) -> None:
        """Lease, make and commit the units in groups; an interrupt commits the finished ones of its group."""
        size = self._options.at_once
        for group in (units[start : start + size] for start in range(0, len(units), size)):
            results: list[UnitResult] = []
            try:
                for unit in self._leased(run, group):
                    if (result := self._result(unit)) is not None:
                        results.append(result)
            finally:
                if results:
                    self._store.runs.commit(run, results, self._is_thing, self._synonyms)
            self._seen += len(group)
            on_progress(Progress("import", self._seen, total, note=f"{self.report.segments} segments"))

    def _leased(self, run: OpenRun, group: Sequence[ImportUnit]) -> Iterator[ImportUnit]:
        units = self._file_units
        wanted = [Wanted(units.key(unit), units.photo(unit).id, units.place(unit)) for unit in group]
        taken = self._store.runs.lease(run, wanted, afresh=True)
        for unit, request in zip(group, wanted, strict=True):
            if request.key in taken.mine:
                yield unit
            elif request.key in taken.elsewhere:
                self.report = replace(self.report, elsewhere=self.report.elsewhere + len(unit.lines))
            else:
                self.report = replace(self.report, present=self.report.present + len(unit.lines))

    def _result(self, unit: ImportUnit) -> UnitResult | None:
        """Return the unit as it is stored; None where its photo, which it needs, cannot be used."""
        units, photo, lines = self._file_units, self._file_units.photo(unit), unit.lines
        vectors = self._contents.vectors[list(lines)].astype(np.float32)
        if self._keys is not None:
            made = self._made_anew(self._keys, unit)
            if made is None:
                return None
            vectors, covered = made
            lines = tuple(line for line, is_covered in zip(lines, covered, strict=True) if is_covered)
            vectors = vectors[covered]
            self.report = replace(self.report, dropped=self.report.dropped + len(unit.lines) - len(lines))
        self._count(lines, {unit.photo})
        segments = tuple(map(units.segment, lines))
        prompts = tuple(dict.fromkeys(segment.prompt for segment in segments))
        credit = PhotoCredit(photo.author, photo.licence, photo.address)
        return UnitResult(
            key=units.key(unit), content=units.content(unit), external_id=photo.id, uri=units.place(unit),
            image_sha256=photo.sha256, size=(photo.height, photo.width), prompts=prompts, segments=segments,
            vectors=vectors, credit=credit if credit != PhotoCredit() else None, only_adds=True,
        )  # fmt: skip

    def _made_anew(
        self, keys: Loaded[Backbone], unit: ImportUnit
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Return vectors of the store's backbone, (n, d), and whether each mask meets one of its cells, (n,); None
        without the photo."""
        photo, record = self._file_units.photo(unit), self._file_units.record(unit)
        if record is not None:
            try:
                image = record.load()
                if image.size != (photo.height, photo.width) or image.sha256 != photo.sha256:
                    got = f"{image.size[1]} x {image.size[0]} pixels"
                    raise DataError(f"a photo of {photo.width} x {photo.height} pixels", got, "name the photo itself")
                return mask_vectors(keys, image, [self._contents.segments[n].counts.encode() for n in unit.lines])
            except DataError as error:
                failure = Failure(photo.id, record.uri, storable_text(str(error)))
                self.report = replace(self.report, failures=(*self.report.failures, failure))
        self.report = replace(self.report, without_photo=self.report.without_photo + len(unit.lines))
        return None

    def _count(self, lines: Sequence[int], photos: set[int]) -> None:
        per_class = dict(self.report.per_class)
        for line in lines:
            name, against = self._file_units.class_name(line), self._file_units.against(line)
            per_class[name] = per_class.get(name, 0) + (name not in against)
        segments, seen = self.report.segments + len(lines), self.report.photos + len(photos)
        negatives = self.report.negatives + sum(bool(self._file_units.against(line)) for line in lines)
        self.report = replace(self.report, segments=segments, photos=seen, per_class=per_class, negatives=negatives)
