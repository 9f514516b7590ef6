"""Imports a class file: its segments come into the store with their labels, masks, vectors and origin.

    class file -> classes by name -> units of (photo, origin) that are not there -> archive shard + one SQL transaction
               -> the index follows

It is the way of a build, so it may be killed anywhere and repeated: what is there stays, nothing comes twice, nothing
is retired. All runs of an import, one for each origin in the file, speak under one event. Vectors of another space are
refused, or made anew from the photos with the store's own backbone (`recompute`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip._version import __version__
from retclip.data.class_file.records import ClassFile, FileOrigin, FilePhoto, FileSegment
from retclip.data.source_address import absolute_address
from retclip.errors import DataError, SpaceMismatch
from retclip.plugin.contracts import Backbone, ImageSource, SourceImage
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import digest, recipe_fingerprint, segment_id, unit_key
from retclip.store.records import Failure, NewSegment, OpenRun, RunPlan, UnitResult, Wanted
from retclip.store.states import CLASS_FILE, LabelSource, RunKind, RunState
from retclip.types import FeatureSpace, PhotoCredit
from retclip.workflows.building.build_loop import signs_of_life
from retclip.workflows.building.mask_vectors import mask_vectors
from retclip.workflows.building.provenance import records
from retclip.workflows.building.units import storable_text
from retclip.workflows.exchange.found_photos import found_photos
from retclip.workflows.exchange.import_report import ImportReport, classes_met
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


@dataclass(frozen=True, eq=False)
class _Unit:
    """The segments of a photo that have one origin, by their lines in the file."""

    origin: int
    photo: int
    lines: tuple[int, ...]


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
    space = _space(store, contents, keys, options)
    wanted = {photo.sha256 for photo in contents.photos} if options.photos is not None else set()
    found = found_photos(options.photos, wanted, on_progress) if options.photos is not None else {}
    report = ImportReport(
        options.file, contents.sha256, options.dry_run, classes_met(contents.classes, store.classes.all()),
        photos_found=len(found), photos_missing=len(wanted) - len(found),
    )  # fmt: skip
    loop = _Import(store, contents, space, keys if options.recompute else None, options, found, report)
    return loop.told() if options.dry_run else loop.stored(on_progress)


def _space(
    store: FeatureStore, contents: ClassFile, keys: Loaded[Backbone] | None, options: ImportOptions
) -> FeatureSpace:
    """The space in which vectors are stored. Raises SpaceMismatch."""
    if options.recompute and keys is not None:
        store.spaces.require(keys.component.space)
        return keys.component.space
    known = [space for _, space in store.spaces.rows()] or ([keys.component.space] if keys is not None else [])
    if contents.space.id in {space.id for space in known}:
        return contents.space
    todo = (
        "import a file of that space; or make the vectors anew from the photos, where you have them: --recompute "
        f"--photos FOLDER; or use a store of the file's space: --backbone {contents.space.backbone}"
    )
    mine = "; or ".join(map(told_space, known))
    raise SpaceMismatch(f"vectors of this store's space: {mine}", f"{options.file}: {told_space(contents.space)}", todo)


def told_space(space: FeatureSpace) -> str:
    """Return for users all that makes a space."""
    return (
        f"{space.backbone} (weights {space.weights[:12]}, {space.preprocessing}, pooling {space.pooling}, "
        f"{space.dim} numbers, space {space.id})"
    )


class _Import:
    """One import; `report` is its state at any time."""

    def __init__(
        self, store: FeatureStore, contents: ClassFile, space: FeatureSpace, keys: Loaded[Backbone] | None,
        options: ImportOptions, found: Mapping[str, SourceImage], report: ImportReport,
    ) -> None:  # fmt: skip
        self._store, self._contents, self._space, self._keys = store, contents, space, keys
        self._options, self._found, self.report = options, found, report
        self._things = {one.name: one.thing for one in contents.classes}
        self._synonyms = {one.name: one.synonyms for one in contents.classes if one.synonyms}
        self._ids = [self._id(one) for one in contents.segments]
        self._seen = 0

    def told(self) -> ImportReport:
        """What would be stored; nothing is written."""
        units = self._units()
        if self._keys is not None:
            units = [unit for unit in units if self._contents.photos[unit.photo].sha256 in self._found]
        self._count([line for unit in units for line in unit.lines], {unit.photo for unit in units})
        return self.report

    def stored(self, on_progress: OnProgress) -> ImportReport:
        """Store what is not there; the index follows also what an import before this one stored when it was stopped."""
        self._store.refresh()
        units, runs = self._units(), list[int]()
        goes_on = self._store.classes.note_of_import(self._contents.sha256) if units else {}
        for origin in sorted({unit.origin for unit in units}):
            run = self._store.runs.start(self._plan(self._contents.origins[origin], goes_on))
            runs.append(run.id)
            state = RunState.FAILED
            try:
                with signs_of_life(self._store, run):
                    self._work_through(run, [one for one in units if one.origin == origin], len(units), on_progress)
                state = RunState.FINISHED
            except KeyboardInterrupt:
                state = RunState.INTERRUPTED
                raise
            finally:
                self._store.runs.finish(run, state, {"segments": self.report.segments, "photos": self.report.photos})
            goes_on = self._store.classes.note_of_import(self._contents.sha256)
        event = self._store.classes.finish_import(self._contents.sha256, runs) if runs else None
        self.report = replace(self.report, event=event)
        return self.report

    def _units(self) -> list[_Unit]:
        """The units with a segment that the store does not have, in the file's order; counts the others."""
        there = self._store.segments.get(self._ids)
        living = {one for one, segment in there.items() if segment.status != "retired"}
        lines: dict[tuple[int, int], list[int]] = {}
        for line, (segment, one) in enumerate(zip(self._contents.segments, self._ids, strict=True)):
            if one not in living:
                lines.setdefault((segment.origin, segment.photo), []).append(line)
        self.report = replace(self.report, present=sum(one in living for one in self._ids))
        return [_Unit(origin, photo, tuple(several)) for (origin, photo), several in lines.items()]

    def _id(self, segment: FileSegment) -> Any:
        photo, origin = self._contents.photos[segment.photo], self._contents.origins[segment.origin]
        return segment_id(photo.sha256, origin.proposer, segment.prompt, segment.ordinal)

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
            proposer_settings=origin.proposer_settings, recipe=_recipe(origin), space=self._space, program=__version__,
            config={"import": {**about, "recompute": options.recompute}, **goes_on}, components=components,
        )  # fmt: skip

    def _work_through(self, run: OpenRun, units: Sequence[_Unit], total: int, on_progress: OnProgress) -> None:
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
                    self._store.runs.commit(run, results, self._things, self._synonyms)
            self._seen += len(group)
            on_progress(Progress("import", self._seen, total, note=f"{self.report.segments} segments"))

    def _leased(self, run: OpenRun, group: Sequence[_Unit]) -> Iterator[_Unit]:
        wanted = [Wanted(self._key(unit), self._photo(unit).id, self._place(unit)) for unit in group]
        taken = self._store.runs.lease(run, wanted, afresh=True)
        for unit, one in zip(group, wanted, strict=True):
            if one.key in taken.mine:
                yield unit
            elif one.key in taken.elsewhere:
                self.report = replace(self.report, elsewhere=self.report.elsewhere + len(unit.lines))
            else:
                self.report = replace(self.report, present=self.report.present + len(unit.lines))

    def _result(self, unit: _Unit) -> UnitResult | None:
        """The unit as it is stored; None where its photo, which it needs, cannot be used."""
        photo, lines = self._photo(unit), unit.lines
        vectors = self._contents.vectors[list(lines)].astype(np.float32)
        if self._keys is not None:
            made = self._made_anew(self._keys, unit)
            if made is None:
                return None
            vectors, covered = made
            lines = tuple(line for line, met in zip(lines, covered, strict=True) if met)
            vectors = vectors[covered]
            self.report = replace(self.report, dropped=self.report.dropped + len(unit.lines) - len(lines))
        self._count(lines, {unit.photo})
        segments = tuple(self._segment(self._contents.segments[line]) for line in lines)
        prompts = tuple(dict.fromkeys(one.prompt for one in segments))
        credit = PhotoCredit(photo.author, photo.licence, photo.address)
        return UnitResult(
            key=self._key(unit), content=self._content(unit), external_id=photo.id, uri=self._place(unit),
            image_sha256=photo.sha256, size=(photo.height, photo.width), prompts=prompts, segments=segments,
            vectors=vectors, credit=credit if credit != PhotoCredit() else None, only_adds=True,
        )  # fmt: skip

    def _made_anew(self, keys: Loaded[Backbone], unit: _Unit) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Vectors of the store's backbone, and whether each mask meets one of its cells; None without the photo."""
        photo, record = self._photo(unit), self._found.get(self._photo(unit).sha256)
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
            name = self._contents.classes[self._contents.segments[line].class_line].name
            per_class[name] = per_class.get(name, 0) + 1
        segments, seen = self.report.segments + len(lines), self.report.photos + len(photos)
        self.report = replace(self.report, segments=segments, photos=seen, per_class=per_class)

    def _segment(self, one: FileSegment) -> NewSegment:
        return NewSegment(
            one.prompt, one.ordinal, one.box, one.area, one.score, one.counts.encode(), LabelSource(one.label_source),
            one.confidence, one.detector_score, one.mask_score, self._contents.classes[one.class_line].name,
        )  # fmt: skip

    def _photo(self, unit: _Unit) -> FilePhoto:
        return self._contents.photos[unit.photo]

    def _place(self, unit: _Unit) -> str:
        """Where the photo lies: as the user said, else on the web, else its name."""
        photo = self._photo(unit)
        record = self._found.get(photo.sha256)
        return record.uri if record is not None else photo.address or photo.id

    def _content(self, unit: _Unit) -> str:
        lines = {"photo", "origin", "class_line"}
        said = [self._contents.segments[line].model_dump(mode="json", exclude=lines) for line in unit.lines]
        names = [self._contents.classes[self._contents.segments[line].class_line].name for line in unit.lines]
        return digest(json.dumps(said, sort_keys=True), *names)

    def _key(self, unit: _Unit) -> str:
        recipe = _recipe(self._contents.origins[unit.origin])
        prompts = {self._contents.segments[line].prompt for line in unit.lines}
        return unit_key(self._photo(unit).sha256, self._content(unit), recipe, self._space.id, prompts)


def _recipe(origin: FileOrigin) -> str:
    return recipe_fingerprint(origin.proposer, origin.proposer_version, origin.proposer_settings)
