"""Builds the store: images in, labelled segment vectors out (paper, section 2.1).

    source -> skip what the ledger calls finished -> proposals for the classes present -> mask-pooled vectors
           -> archive shard + one SQL transaction -> the index follows

Killed anywhere and started again, it continues; Ctrl-C commits finished images first. Adding a class is the same
pipeline for one class (`add_class`). The executor of the units is a parameter; `BuildLoop` commits their results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retclip._version import __version__
from retclip.data.file_memory import remembering
from retclip.data.source_address import absolute_address
from retclip.errors import DataError
from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, silent
from retclip.store.ids import recipe_fingerprint
from retclip.store.records import RunPlan
from retclip.store.states import RunKind
from retclip.workflows.building.build_loop import BuildLoop, BuildReport, ended_with, signs_of_life
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.provenance import components
from retclip.workflows.building.source_classes import require_annotation, source_names
from retclip.workflows.building.unit_work import Starter, in_this_process
from retclip.workflows.building.units import storable_text
from retclip.workflows.segment.parts import Parts, Segmenter

UNANNOTATED = (
    "build from a data set with labels, reader:path; add a class from photos of it: retclip class add NAME PHOTOS "
    "--crops; or choose a proposer that finds masks, with --classes"
)
NAMING = {"majority_share", "assign_confidence", "assign_absent", "assign_scale", "assign_overlap"}


@dataclass(frozen=True)
class Purpose:
    """The reason of a build.

    kind: of its run.
    task: its name in progress records.
    note: what else is written into the run's row.
    recipe: what else decides what is stored: with another one finished units are done again.
    """

    kind: RunKind = RunKind.BUILD
    task: str = "build"
    note: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


def build_store(
    parts: Parts,
    source: ImageSource,
    address: str,
    class_names: Sequence[str] | None = None,
    purpose: Purpose = Purpose(),
    on_progress: OnProgress = silent,
    start: Starter = in_this_process,
) -> BuildReport:
    """Store the segments of `source` that show `class_names` (None = every class of the source).

    start: makes the executor of the units. Raises what `begin_build` and `carry_out` raise.
    """
    return carry_out(begin_build(parts, source, address, class_names, purpose), on_progress, start)


def begin_build(
    parts: Parts,
    source: ImageSource,
    address: str,
    class_names: Sequence[str] | None = None,
    purpose: Purpose = Purpose(),
) -> BuildLoop:
    """Record that a run begins; nothing is processed yet.

    Raises DataError for a class that the source does not have, ConfigError for masks that cannot get a label,
    SpaceMismatch, StoreBusy.
    """
    naming = names_for(parts, source, address, class_names)
    note = {"every_class": class_names is None, **purpose.note}
    run = parts.store.runs.start(run_plan(parts, source, address, naming.names, replace(purpose, note=note)))
    return BuildLoop(parts, source, address, run, naming, purpose.task)


def carry_out(loop: BuildLoop, on_progress: OnProgress = silent, start: Starter = in_this_process) -> BuildReport:
    """Process what a run is for, and end it.

    Raises StoreError and PluginError; a bad image is a failure in the report, not an exception. On KeyboardInterrupt
    the finished images are committed first.
    """
    with (
        ended_with(loop.store, loop.run, lambda: loop.report.counts()),
        remembering(loop.memory),
        signs_of_life(loop.store, loop.run),
        start(loop.naming) as executor,
    ):
        loop.work_through(executor, on_progress)
    return loop.report


def names_for(
    parts: Segmenter, source: ImageSource, address: str, class_names: Sequence[str] | None
) -> LabelAssignment:
    """Return the classes to build, as the source spells them, with the label assigner for masks without a class."""
    require_annotation(source, address, parts.proposer.name, parts.proposer.provides, UNANNOTATED)
    names = tuple(source_class.name for source_class in source.classes())
    if class_names is not None:
        names = source_names(source, class_names, address)
    if not names:
        raise DataError("a source with classes, or class names", f"{address} names none", "add --classes")
    is_thing = {source_class.name: source_class.is_thing for source_class in source.classes()}
    return LabelAssignment(
        parts, names, is_thing, [stored_class.name for stored_class in parts.store.classes.all()] if parts.store else []
    )


def run_plan(
    parts: Parts,
    source: ImageSource,
    address: str,
    names: Sequence[str],
    purpose: Purpose = Purpose(),
) -> RunPlan:
    """Return what a run records of itself before it begins."""
    proposer, section = parts.proposer, parts.settings.build
    # What decides the segments beside the proposer; a default added later must not make old work look undone.
    naming = section.model_dump(include=set(section.model_fields_set) & NAMING) | {"max_segments": section.max_segments}
    return RunPlan(
        kind=purpose.kind,
        source=storable_text(absolute_address(address)),
        dataset=storable_text(source.name),
        proposer=proposer.name,
        proposer_version=proposer.version,
        proposer_settings=proposer.settings,
        recipe=recipe_fingerprint(proposer.name, proposer.version, {**proposer.settings, **naming, **purpose.recipe}),
        space=parts.keys.component.space,
        config={"classes": list(names), "build": parts.settings.build.model_dump(mode="json"), **purpose.note},
        program=__version__,
        components=components(parts, address),
    )
