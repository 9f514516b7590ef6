"""`retclip segment`: photos in, panoptic PNG + COCO JSON, overlay and evidence out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.fallback import FillMissing, filled, say_missing
from retclip.cli.label_matches import said_matches
from retclip.cli.progress import ProgressLine
from retclip.cli.unknown_names import say_unknown
from retclip.errors import ConfigError, DataError, PartialFailure
from retclip.own_files import RESULTS, require_own_folder
from retclip.passed_over import Tally, by_reason, passed_over_by
from retclip.progress import Progress
from retclip.quantities import quantity, some

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.contracts import SourceImage
    from retclip.report.result_summary import Nothing
    from retclip.report.result_writer import ResultWriter
    from retclip.result import SegmentationResult
    from retclip.store.records import Failure
    from retclip.workflows.segment.parts import PreparedVocabulary

LOOKS = 3  # classes that were not asked for, of a photo
SHOWN = 5  # photos, or classes of a store, that a line names
FEW = 5  # names; of so few, it is likely that none fits much of a photo


class Overlays(StrEnum):
    """Which pictures are made of a photo."""

    none = "none"
    plain = "plain"
    legend = "legend"
    both = "both"


Overlay = Annotated[
    Overlays, typer.Option(help="Pictures of each photo: none, plain (of its own size), with a legend, or both.")
]
Paths = Annotated[list[str], typer.Argument(help="Photos, folders, globs, or reader:path sources.")]
Classes = Annotated[str | None, typer.Option(help="A comma list or a file (default: the store's classes).")]


@dataclass
class _Done:
    """What became of the photos. images: for --json, empty without. nothing: photos without any label, and why.
    refuses: whether a classifier may call a mask no object. repeated: the first class of things that is there several
    times in one photo, with their number."""

    count: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    nothing: dict[str, Nothing] = field(default_factory=dict)
    refuses: bool = False
    repeated: str = ""


@dataclass(frozen=True)
class TraceOptions:
    """Whether the store keeps the evidence, too."""

    trace: Annotated[
        bool, typer.Option("--trace", help="Keep the evidence in the store, too: `retclip influence` reads it.")
    ] = False
    trace_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="With --trace: for so many days (segment.trace_days).")
    ] = None

    def check(self) -> None:
        """Raise ConfigError for days without a trace, or none above 0."""
        if self.trace_days is not None and not (self.trace and self.trace_days > 0):
            got = "none" if not self.trace else f"{self.trace_days:g} days"
            raise ConfigError("--trace beside --trace-days, for days above 0", got, "write --trace --trace-days 30")


@options.spread
def segment(
    paths: Paths,
    setup: options.Setup,
    traced: TraceOptions,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("retclip-out"),
    classes: Classes = None,
    fill_missing: FillMissing = False,
    overlay: Overlay = Overlays.both,
    classifier: options.Classifiers = None,
) -> None:
    """Label every pixel and every object of photos, and say of each photo what was found. A bad photo, also one of
    --fill-missing, is listed in failures.csv and never stops the rest."""
    traced.check()
    require_own_folder(out, RESULTS)  # before the work, not after it
    store, json, flags = setup.store, setup.models.json, setup.models.flags(classifiers=classifier)
    with options.opened(
        store, setup.models.config, flags, missing_ok=not fill_missing, required=options.to_segment
    ) as memory:
        fill = filled(memory, classes) if fill_missing else None
        prepared = memory.prepare(classes)
        from retclip.report.result_writer import ResultWriter  # not before the components are known to be here

        if fill is None:
            say_missing(memory, prepared, store)
        matches = said_matches(memory, prepared)
        say_unknown(memory, prepared)
        records, beside = _records(memory, paths)
        stopped = output.told_when_stopped(f"stopped; what was segmented lies in {out}")
        line = ProgressLine()
        with stopped, ResultWriter(out, prepared.vocabulary, overlay.value) as writer, line:
            done = _all(memory, prepared, records, writer, line, json, traced)
            look = f" (look at {writer.pictures})" if writer.pictures else ""
        knows = _classes(memory)
        preset, patches = memory.settings.preset, _patches(memory)
    unusable = [*(fill.failures if fill else ()), *done.failures]
    listing = output.write_failures(out / "failures.csv", unusable)
    if json:
        failed = [vars(failure) for failure in done.failures]
        summary = {"out": str(out), "images": done.images, "failures": failed, "passed_over": beside}
        summary["matches"] = matches
        output.data({**summary, "fill": fill.as_dict()} if fill else summary)
    output.message(f"{quantity(done.count, 'photo')} segmented into {out}{look}, {len(done.failures)} failed")
    if beside:
        output.message(f"passed over: {by_reason(beside)}")
    if done.nothing:
        _warn(done, preset, knows, store)
    elif done.count and not done.refuses and len(prepared.vocabulary) <= FEW:
        output.message(f"note: the preset {preset} has no answer 'none of these': every mask got the nearest name")
    if patches and done.repeated:
        counted = f"{done.repeated} means so many places of touching patches"
        output.message(f"note: the masks of {patches} are patches, not objects: {counted}")
    _exit(listing, done, unusable)


def _classes(memory: RetCLIP) -> list[str]:
    """Return the classes of the store that have segments."""
    classes = memory.classes.list() if memory.session.without_store() else ()
    return [store_class.name for store_class in classes if store_class.segments]


def _patches(memory: RetCLIP) -> str:
    """Return the proposer's name where its masks are no whole objects; "" otherwise."""
    from retclip.plugin import PATCHES

    proposer = memory.session.components.manager.find("proposer", memory.settings.components.proposer)
    return proposer.full_name if PATCHES in proposer.component.provides else ""


def _records(memory: RetCLIP, paths: Sequence[str]) -> tuple[list[SourceImage], Mapping[str, int]]:
    """Return every photo once, and the counts of the files that are passed over. Raises DataError without a photo."""
    sources = [memory.source(path) for path in paths]
    every_record = (record for source in sources for record in source.images())
    records = list({record.uri or record.external_id: record for record in every_record}.values())
    beside = Tally(*map(passed_over_by, sources)).total.counts
    if not records:
        got = f"none in {', '.join(paths)}" + (f"; passed over: {by_reason(beside)}" if beside else "")
        raise DataError("at least one photo", got, "name photos, folders or globs")
    return records, beside


def _all(
    memory: RetCLIP,
    prepared: PreparedVocabulary,
    records: Sequence[SourceImage],
    writer: ResultWriter,
    line: ProgressLine,
    json: bool,
    traced: TraceOptions,
) -> _Done:
    from retclip.report.result_names import result_names
    from retclip.report.result_summary import unasked_classes
    from retclip.store.records import Failure
    from retclip.workflows.segment.decode_ahead import decoded
    from retclip.workflows.segment.in_groups import in_groups

    done, size = _Done(), memory.settings.device.batch_size
    answers = in_groups(decoded(records), size, lambda images: memory.segment(list(images), prepared))
    names = iter(result_names([(record.uri, record.external_id) for record in records]))
    for record, answer in answers:
        name = next(names)  # not zipped: `zip` holds a result until the next one is made
        try:
            if isinstance(answer, DataError):
                raise answer
            stem = writer.add(answer, name)
            if traced.trace:
                memory.trace(answer, traced.trace_days)
            unasked = unasked_classes(answer.evidence)
            _tell(name.photo, answer, unasked, done)
            if json:
                done.images.append(_as_dict(record, answer, unasked, stem, writer))
        except DataError as error:
            done.failures.append(Failure(record.external_id, record.uri, str(error)))
        del answer  # before the next one is made
        failed = len(done.failures)
        line(Progress("segment", done.count + failed, len(records), failed))
    return done


def _tell(photo: str, answer: SegmentationResult, unasked: Sequence[str], done: _Done) -> None:
    """Print a line for a photo: its classes, or why there are none. unasked: what else of the store it looks like."""
    from retclip.report.result_summary import summary_line, told_nothing, why_nothing

    done.count += 1
    evidence = answer.evidence
    done.refuses |= evidence.vocabulary.has_rest or any(scores.void is not None for scores in evidence.scores)
    counts = Counter(segment.class_name for segment in answer.segments if segment.is_thing)
    done.repeated = done.repeated or next((f"{n} {name}" for name, n in counts.most_common(1) if n > 1), "")
    looks = f"; elsewhere like {', '.join(unasked[:LOOKS])}, not asked for" if unasked else ""
    if answer.segments:
        output.message(f"{photo}: {summary_line(answer.panoptic)}{looks}")
    else:
        done.nothing[photo] = why_nothing(evidence)
        output.message(f"{photo}: nothing labelled: {told_nothing(evidence)}{looks}")


def _as_dict(
    record: SourceImage, answer: SegmentationResult, unasked: Sequence[str], name: str, writer: ResultWriter
) -> dict[str, Any]:
    from retclip.report.result_summary import as_dict, told_nothing

    files = {kind: str(path) for kind, path in writer.files(name).items()}
    nothing = None if answer.segments else told_nothing(answer.evidence)
    seen = {**as_dict(answer.panoptic), "unasked": list(unasked), "nothing": nothing}
    return {"name": name, "uri": record.uri, **seen, "files": files}


def _warn(done: _Done, preset: str, knows: Sequence[str], store: Path) -> None:
    """Say which photos stayed empty, and what can be done about each reason."""
    from retclip.report.result_summary import Nothing

    empty, names = f"{len(done.nothing)} of {done.count}", some(done.nothing, SHOWN)
    output.message(f"warning: nothing was labelled in {empty} photos: {names}")
    for reason, count in Counter(done.nothing.values()).items():
        output.message(f"  {reason}: {quantity(count, 'photo')}")
    if Nothing.NO_NAMES in done.nothing.values():
        holds = f"the store {store} holds {some(knows, SHOWN)}" if knows else f"the store {store} is empty"
        output.message(f"  the preset {preset} reads no names, it knows only what a store holds; {holds}")
        output.message(f"  add what you ask for: retclip class add NAME PHOTOS --crops --store {store}")
        output.message("  or choose a preset that reads any name: retclip presets")


def _exit(listing: Path, done: _Done, failures: Sequence[Failure]) -> None:
    if failures:
        kind = PartialFailure if done.count else DataError
        got = f"{len(failures)} that failed, first {failures[0]}"
        raise kind("every photo to be readable", got, f"see {listing}")
    if len(done.nothing) == done.count:
        got = f"none in any of {done.count}: {next(iter(done.nothing.values()))}"
        raise PartialFailure("labels in the photos", got, "name what they show, or choose another preset or store")
