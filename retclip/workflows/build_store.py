"""Walk 1, build the store: images in, labelled segment vectors out (paper, section 2.1).

    source -> skip what the ledger calls finished -> proposals for the classes present -> mask-pooled vectors
           -> archive shard + one SQL transaction -> the index follows

Killed anywhere and started again, it continues; Ctrl-C commits what is done first. Adding a class is the same walk
over one class (`add_class`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import retclip
from retclip.errors import DataError
from retclip.plugin.contracts import ImageSource
from retclip.store import ledger
from retclip.store.engine import transaction
from retclip.store.ids import recipe_fingerprint
from retclip.store.ingest import UnitResult
from retclip.store.ledger import Failure, OpenRun, RunPlan
from retclip.types import Image
from retclip.workflows.decode_ahead import decoded
from retclip.workflows.image_segments import image_segments
from retclip.workflows.label_assignment import LabelAssignment
from retclip.workflows.parts import Parts
from retclip.workflows.source_classes import source_names
from retclip.workflows.units import Planned, Unit, plan_units, record_failure, storable_text

ASSIGNING = {"assign_confidence", "assign_absent", "assign_scale", "assign_overlap"}


@dataclass(frozen=True)
class BuildReport:
    """What a build did. skipped: finished by an earlier run. empty: images without one of the classes. dropped:
    masks that met no feature cell or no pixel. failures: images that could not be used, each with its reason."""

    run: int = 0
    total: int = 0
    images: int = 0
    segments: int = 0
    skipped: int = 0
    empty: int = 0
    dropped: int = 0
    per_class: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    @property
    def seen(self) -> int:
        """How many of `total` images have been dealt with."""
        return self.images + self.skipped + self.empty + len(self.failures)


def build_store(
    parts: Parts,
    source: ImageSource,
    address: str,
    class_names: Sequence[str] | None = None,
    kind: str = "build",
    on_progress: Callable[[BuildReport], None] = lambda _: None,
    note: Mapping[str, Any] | None = None,
) -> BuildReport:
    """Store the segments of `source` that show `class_names` (None = every class of the source).

    note: what else is written into the run's row.
    Raises DataError for a class that the source does not have, SpaceMismatch, StoreBusy, PluginError; a bad image is a
    failure in the report, not an exception. On KeyboardInterrupt the finished images are committed first.
    """
    wanted = tuple(one.name for one in source.classes())
    if class_names is not None:
        wanted = source_names(source, class_names, address)
    if not wanted:
        raise DataError("a source with classes, or class names", f"{address} names none", "add --classes")
    is_thing = {one.name: one.is_thing for one in source.classes()}
    run = parts.store.start_run(_plan(parts, source, address, wanted, kind, note or {}))
    report = BuildReport(run=run.id, total=len(source))
    state = "failed"
    try:
        naming = LabelAssignment(parts, wanted, is_thing)
        for report in _chunks(parts, source, address, run, naming, report):  # noqa: B020
            on_progress(report)
        state = "finished"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        with transaction(parts.store.engine, write=True) as connection:
            ledger.finish_run(connection, run.id, state, _counts(report))
    return report


def _plan(
    parts: Parts, source: ImageSource, address: str, wanted: Sequence[str], kind: str, note: Mapping[str, Any]
) -> RunPlan:
    proposer, section = parts.proposer, parts.settings.build
    # What decides the segments beside the proposer; a default added later must not make old work look undone.
    chosen = section.model_dump(include=set(section.model_fields_set) & ASSIGNING) | {
        "max_segments": section.max_segments
    }
    return RunPlan(
        kind=kind,
        source=storable_text(address),
        dataset=storable_text(source.name),
        proposer=proposer.name,
        proposer_version=proposer.version,
        proposer_settings=proposer.settings,
        recipe=recipe_fingerprint(proposer.name, proposer.version, {**proposer.settings, **chosen}),
        space=parts.keys.thing.space,
        config={"classes": list(wanted), "build": parts.settings.build.model_dump(mode="json"), **note},
        program=retclip.__version__,
    )


def _chunks(
    parts: Parts, source: ImageSource, address: str, run: OpenRun, naming: LabelAssignment, report: BuildReport
) -> Iterator[BuildReport]:  # fmt: skip
    """The report after each committed group of images."""
    records, space = source.images(), parts.keys.thing.space.id
    while chunk := list(islice(records, parts.settings.build.commit_images)):
        planned = plan_units(parts.store, run, address, chunk, naming.names, space)
        report = _planned(report, planned)
        results: list[UnitResult] = []
        try:
            for unit, answer in zip(planned.units, decoded(unit.record for unit in planned.units), strict=True):
                report = _add(parts, run, unit, answer[1], naming, results, report)
        finally:  # also on Ctrl-C: what is done is kept
            if results:
                parts.store.commit(run, results, naming.is_thing)
        yield report


def _planned(report: BuildReport, planned: Planned) -> BuildReport:
    return replace(
        report,
        skipped=report.skipped + planned.finished,
        empty=report.empty + planned.empty,
        failures=(*report.failures, *planned.failures),
    )


def _add(
    parts: Parts, run: OpenRun, unit: Unit, answer: Image | DataError, naming: LabelAssignment,
    results: list[UnitResult], report: BuildReport,
) -> BuildReport:  # fmt: skip
    """Work on one decoded image: append its result, or record its failure."""
    try:
        if isinstance(answer, DataError):
            raise answer
        result, dropped = image_segments(parts, unit, answer, naming)
    except DataError as error:
        failure = record_failure(parts.store, run, unit.key, unit.record, str(error))
        return replace(report, failures=(*report.failures, failure))
    results.append(result)
    per_class = dict(report.per_class)
    for segment in result.segments:
        per_class[segment.prompt] = per_class.get(segment.prompt, 0) + 1
    return replace(
        report,
        images=report.images + 1,
        segments=report.segments + len(result.segments),
        dropped=report.dropped + dropped,
        per_class=per_class,
    )


def _counts(report: BuildReport) -> dict[str, Any]:
    counted = {name: getattr(report, name) for name in ("total", "images", "segments", "skipped", "empty", "dropped")}
    return {**counted, "failures": len(report.failures)}
