"""Estimates the work and the cost of a build from a plan against the ledger and a sample of images; writes nothing.

Sizes: an archive row is d float16; SQL keeps about 200 bytes beside a segment's run lengths (stores.md 3, measured at
60,000 segments); the index keeps float16 vectors, a graph, ids and payload, twice while it optimises (stores.md 4.3).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from retclip.data.file_memory import remembering
from retclip.passed_over import PassedOver, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.workflows.building.build_store import names_for, run_plan
from retclip.workflows.building.unit_work import Outcome, outcome_of
from retclip.workflows.building.units import Planned, Search, Unit, memory_of, plan_units, present
from retclip.workflows.segment.decode_ahead import decoded
from retclip.workflows.segment.parts import Parts, Segmenter

SQL_BYTES = 200
INDEX_BYTES = 290  # of a graph with m = 16, a UUID and six integers
CHUNK = 256


@dataclass(frozen=True)
class Estimate:
    """A forecast.

    todo: images to process.
    finished: images finished by earlier runs.
    empty: images without one of the classes.
    sampled: images of `todo` that were tried; seconds and bytes are extrapolated from them, 0 where none could be used.
    seconds: of one worker.
    failures: images that could not be read, or failed too often.
    passed_over: what the source leaves out, by reason.
    """

    total: int = 0
    todo: int = 0
    finished: int = 0
    empty: int = 0
    sampled: int = 0
    seconds_per_image: float = 0.0
    segments: int = 0
    seconds: float = 0.0
    archive_bytes: int = 0
    catalog_bytes: int = 0
    index_bytes: int = 0
    failures: tuple[Failure, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)


def estimate_build(
    parts: Segmenter,
    source: ImageSource,
    address: str,
    class_names: Sequence[str] | None = None,
    sample: int = 8,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> Estimate:
    """Plan a build of `source` and process `sample` of its images, drawn at random; write nothing.

    Raises what `build_store` raises before it starts.
    """
    naming = names_for(parts, source, address, class_names)
    estimate, tried, chance = Estimate(total=len(source)), list[Unit](), random.Random(seed)
    for planned in _plan(parts, source, address, naming.names):
        for unit in planned.units:  # reservoir sampling: every image to do is as likely
            estimate = replace(estimate, todo=estimate.todo + 1)
            place = len(tried) if len(tried) < sample + 1 else chance.randrange(estimate.todo)
            tried[place : place + 1] = [unit] if place <= sample else []
        estimate = replace(
            estimate,
            finished=estimate.finished + planned.finished,
            empty=estimate.empty + planned.empty,
            failures=(*estimate.failures, *planned.failures),
        )
        planned_images = estimate.todo + estimate.finished + estimate.empty + len(estimate.failures)
        on_progress(Progress("plan", planned_images, estimate.total, len(estimate.failures)))
    estimate = _with_parts(estimate, passed_over_by(source))
    clock, outcomes, starts = time.monotonic(), list[Outcome](), 0.0
    for unit, (_, answer) in zip(tried, decoded(unit.record for unit in tried), strict=True):
        outcomes.append(outcome_of(naming, unit, answer))
        starts = starts or time.monotonic()  # the first image pays for what is made once
    warm = len(outcomes) > 1
    seconds = (time.monotonic() - starts) / (len(outcomes) - 1) if warm else time.monotonic() - clock
    return _told(estimate, outcomes, seconds, parts.keys.component.space.dim)


def _with_parts(estimate: Estimate, passed_over: PassedOver) -> Estimate:
    """Return the estimate with what the source says it left out; defects within its images show when they are
    loaded.
    """
    bad = (Failure(part.record, part.uri, part.reason) for part in passed_over.bad)
    return replace(estimate, failures=(*estimate.failures, *bad), passed_over=passed_over.counts)


def _plan(parts: Segmenter, source: ImageSource, address: str, names: Sequence[str]) -> Iterator[Planned]:
    """Yield plans of chunks of records; with an empty ledger, or none, no photo needs to be read to know that it is to
    do.
    """
    records, first = source.images(), 0
    planned = _planned_against(parts, source, address, names) if isinstance(parts, Parts) else None
    with remembering(memory_of(parts.settings)):
        while chunk := list(islice(records, CHUNK)):
            yield planned(chunk, first) if planned else _all_to_do(chunk, names, first)
            first += len(chunk)


def _planned_against(
    parts: Parts, source: ImageSource, address: str, names: Sequence[str]
) -> Callable[[Sequence[SourceImage], int], Planned] | None:
    """Return what plans records against the ledger; None where nothing was ever finished."""
    run, has_finished = parts.store.runs.planned(run_plan(parts, source, address, names))
    search = Search(run, address, names, parts.keys.component.space.id, parts.settings.build.retry_failed)
    return partial(plan_units, parts.store, search, note=_unwritten) if has_finished else None


def _all_to_do(records: Sequence[SourceImage], names: Sequence[str], first: int) -> Planned:
    listed = [(position, record, present(record, names)) for position, record in enumerate(records, start=first)]
    units = tuple(Unit(record, "", "", classes, (), position) for position, record, classes in listed if classes)
    return Planned(units, 0, len(records) - len(units), ())


def _unwritten(_: str, record: SourceImage, reason: str) -> Failure:
    return Failure(record.external_id, record.uri, reason)


def _told(estimate: Estimate, outcomes: Sequence[Outcome], seconds: float, dim: int) -> Estimate:
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    segments = [segment for result in results for segment in result.segments]
    if not results:
        return replace(estimate, sampled=len(outcomes))
    stored = round(len(segments) * estimate.todo / len(outcomes))
    lengths = sum(len(segment.rle) for segment in segments) / max(1, len(segments))
    return replace(
        estimate,
        sampled=len(outcomes),
        seconds_per_image=seconds,
        segments=stored,
        seconds=seconds * estimate.todo,
        archive_bytes=stored * dim * 2,
        catalog_bytes=round(stored * (SQL_BYTES + lengths)),
        index_bytes=stored * 2 * (dim * 2 + INDEX_BYTES),
    )
