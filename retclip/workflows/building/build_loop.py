"""The loop of a build: records become tasks, outcomes become commits, and a report counts both.

It is the only writer of a build, whatever executes its units. Each group of images is planned against the ledger,
leased, processed, and committed when its last unit is finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from retclip.errors import StoreError
from retclip.passed_over import Tally, passed_over_by
from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import Failure, OpenRun, UnitResult, Wanted
from retclip.store.states import RunState
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.unit_work import Executor, Outcome, Task
from retclip.workflows.building.units import Planned, Search, Unit, memory_of, plan_units, record_failure, storable_text
from retclip.workflows.segment.parts import Parts

SIGN_OF_LIFE = 60.0  # seconds between two renewals of the leases, which end after 15 minutes


@contextmanager
def ended_with(store: FeatureStore, run: OpenRun, counts: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """End a run with the block: finished, interrupted by a signal, or failed. counts: for its row, as they are then."""
    state = RunState.FAILED
    try:
        yield
        state = RunState.FINISHED
    except KeyboardInterrupt:
        state = RunState.INTERRUPTED
        raise
    finally:
        store.runs.finish(run, state, counts())


@dataclass(frozen=True)
class BuildReport:
    """The result of a build.

    skipped: images finished by an earlier run.
    empty: images without one of the classes.
    elsewhere: images leased by another process.
    dropped: masks that cover no feature cell or no pixel.
    displaced: segments stored before that have another mask now, or are retired, for these are of the same photos and
    classes; a photo that the source has twice may have displaced its own.
    passed_over: what else was left out, by reason.
    assumed: images used under an assumption, by reason.
    bad_parts: of `failures` the rows, records and objects.
    failures: images and parts of an annotation that could not be used, each with its reason.
    """

    run: int = 0
    total: int = 0
    images: int = 0
    segments: int = 0
    skipped: int = 0
    empty: int = 0
    elsewhere: int = 0
    dropped: int = 0
    displaced: int = 0
    bad_parts: int = 0
    per_class: Mapping[str, int] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)
    assumed: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    @property
    def seen(self) -> int:
        """How many of `total` images are finished, skipped or failed."""
        return self.images + self.without_work + len(self.failures) - self.bad_parts

    @property
    def without_work(self) -> int:
        """How many of them needed no processing here."""
        return self.skipped + self.empty + self.elsewhere

    def progress(self, task: str) -> Progress:
        """Return the progress record of this state."""
        failed, note = len(self.failures), f"{self.segments} segments"
        return Progress(task, self.seen, self.total, failed, self.without_work, note)

    def counts(self) -> dict[str, Any]:
        """Return the counts for the run's row."""
        names = ("total", "images", "segments", "skipped", "empty", "elsewhere", "dropped", "displaced")
        counts = {"passed_over": dict(self.passed_over), "assumed": dict(self.assumed)}
        return {**{name: getattr(self, name) for name in names}, "failures": len(self.failures), **counts}


@dataclass(eq=False)
class _Group:
    """A task in progress: how many of its units are not finished, and the results of the others."""

    left: int
    results: list[UnitResult] = field(default_factory=list)


class BuildLoop:
    """The loop of one build; `report` is its state at any time.

    task: its name in progress records.
    """

    def __init__(
        self, parts: Parts, source: ImageSource, address: str, run: OpenRun, naming: LabelAssignment, task: str
    ) -> None:
        self._parts, self._source, self._address, self.run = parts, source, address, run
        self.naming, self._task = naming, task
        self._on_progress: OnProgress = silent
        self._counted = BuildReport(run=run.id, total=len(source))
        self._failures = list[Failure]()
        self._tally = Tally(passed_over_by(source))
        self._out: dict[int, _Group] = {}
        self._begun = ""  # the unit that this process works on

    @property
    def memory(self) -> Path | None:
        """The folder in which it is remembered what files gave; None where the user has no home."""
        return memory_of(self._parts.settings)

    @property
    def store(self) -> FeatureStore:
        """The store that is built."""
        return self._parts.store

    @property
    def report(self) -> BuildReport:
        """The report up to now."""
        total = self._tally.total
        bad = tuple(Failure(part.record, part.uri, storable_text(part.reason)) for part in total.bad)
        return replace(
            self._counted, passed_over=total.counts, assumed=total.assumed, bad_parts=len(bad),
            failures=(*self._failures, *bad),
        )  # fmt: skip

    def work_through(self, executor: Executor, on_progress: OnProgress) -> None:
        """Process all units that are left; results are committed even where it ends with an error."""
        self._on_progress = on_progress
        try:
            for task, outcome in executor(self._tasks()):
                self._take(task, outcome)
        finally:
            for number in list(self._out):
                self._commit(number)

    def _tasks(self) -> Iterator[Task | None]:
        records, first, numbers, section = self._source.images(), 0, count(), self._parts.settings.build
        space = self._parts.keys.component.space.id
        search = Search(self.run, self._address, self.naming.names, space, section.retry_failed)
        while chunk := list(islice(records, section.commit_images)):
            planned = plan_units(self._parts.store, search, chunk, first)
            first += len(chunk)
            self._count(planned)
            if not planned.units:
                self._tell()
                yield None
            for group in planned.groups:
                if mine := self._leased(group):
                    task = Task(next(numbers), mine, self._begin)
                    self._out[task.number] = _Group(len(mine))
                    yield task

    def _count(self, planned: Planned) -> None:
        counted = self._counted
        self._failures += planned.failures
        self._counted = replace(
            counted, skipped=counted.skipped + planned.finished, empty=counted.empty + planned.empty
        )

    def _leased(self, group: tuple[Unit, ...]) -> tuple[Unit, ...]:
        """Return the units of the group that this process has leased, and count the others."""
        units = [Wanted(unit.key, unit.record.external_id, unit.record.uri) for unit in group]
        leased = self._parts.store.runs.lease(self.run, units, self._parts.settings.build.retry_failed)
        mine = tuple(unit for unit in group if unit.key in leased.mine)
        elsewhere = sum(unit.key in leased.elsewhere for unit in group)
        self._failures += leased.given_up
        self._counted = replace(
            self._counted,
            elsewhere=self._counted.elsewhere + elsewhere,
            skipped=self._counted.skipped + len(group) - len(mine) - elsewhere - len(leased.given_up),
        )
        return mine

    def _begin(self, key: str) -> None:
        self._parts.store.runs.begin_unit(self.run, key, self._begun)
        self._begun = key

    def _take(self, task: Task, outcome: Outcome) -> None:
        group, counted = self._out[task.number], self._counted
        group.left -= 1
        if outcome.result is None:
            unit = next(unit for unit in task.units if unit.key == outcome.key)
            self._failures.append(record_failure(self._parts.store, self.run, unit.key, unit.record, outcome.reason))
        else:
            group.results.append(outcome.result)
            self._tally.add(outcome.result.passed_over)
            self._counted = replace(
                counted,
                images=counted.images + 1,
                segments=counted.segments + len(outcome.result.segments),
                dropped=counted.dropped + outcome.dropped,
                per_class=_with(counted.per_class, outcome.result),
            )
        if not group.left:
            self._commit(task.number)
            self._tell()

    def _tell(self) -> None:
        self._on_progress(self.report.progress(self._task))

    def _commit(self, number: int) -> None:
        results = self._out.pop(number).results
        if results:
            committed = self._parts.store.runs.commit(self.run, results, self.naming.is_thing)
            self._counted = replace(self._counted, displaced=self._counted.displaced + committed.displaced)


@contextmanager
def signs_of_life(store: FeatureStore, run: OpenRun, every: float = SIGN_OF_LIFE) -> Iterator[None]:
    """Renew the run's leases by heartbeats inside the block, however long an image or a stretch of finished ones
    takes.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every):
            with suppress(StoreError):  # the next one will be heard
                store.runs.renew_leases(run)

    thread = threading.Thread(target=beat, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _with(per_class: Mapping[str, int], result: UnitResult) -> dict[str, int]:
    counted = dict(per_class)
    for segment in result.segments:
        counted[segment.prompt] = counted.get(segment.prompt, 0) + 1
    return counted
