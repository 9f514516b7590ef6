"""A class added behind a regression gate: either every source of it stays, or everything goes back.

    probe before -> every source of the class -> probe after -> stays, or `retclip undo` of each, the newest first

Where a limit was set, an addition that could not be judged, because it or the second walk stopped, goes back, too. What
one left behind whose process died is taken back before the first walk: it must not count as the store's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from retclip.data.class_list import vocabulary_of
from retclip.names import name_key
from retclip.plugin.contracts import ImageSource
from retclip.store.classes import additions
from retclip.store.classes.undo import undo_all
from retclip.store.feature_store import FeatureStore
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.classes.add_class import add_class
from retclip.workflows.classes.regression_check import RegressionCheck
from retclip.workflows.classes.regression_figures import RegressionReport
from retclip.workflows.segment.parts import Parts


@dataclass(frozen=True)
class Gate:
    """probe: the images that are segmented before and after. limit: percentage points that an old class may lose, None
    = any. actor: who takes the addition back."""

    probe: ImageSource
    limit: float | None = None
    actor: str = "retclip"


@dataclass(frozen=True)
class CheckedAddition:
    """events: of the additions, for `retclip undo`. undone: of the roll-back; empty where the class stayed."""

    reports: tuple[BuildReport, ...]
    events: tuple[int, ...]
    undone: tuple[int, ...]
    check: RegressionReport

    @property
    def kept(self) -> bool:
        """Whether the class stayed."""
        return not self.undone

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        runs = [asdict(one) for one in self.reports]
        events = {"events": self.events, "undone": self.undone}
        return {"kept": self.kept, "runs": runs, **events, "check": self.check.as_dict()}


def add_class_checked(
    building: Parts,
    segmenting: Parts,
    name: str,
    sources: Sequence[tuple[ImageSource, str]],
    gate: Gate,
    is_thing: bool | None = None,
    on_step: Callable[[str, int, int], None] = lambda *_: None,
    on_left: Callable[[Sequence[int]], None] = lambda _: None,
) -> CheckedAddition:
    """Add a class from every source (with its address) unless an old class would lose more than the gate's limit.

    building, segmenting: parts over one store. on_step: told a task, how much is done and of how much. on_left: told
    the events that an addition left behind whose process died, and that were taken back. Raises what `add_class` and
    `evaluate` raise; with a limit, the store is as before then.
    """
    (name,) = vocabulary_of([name]).names
    said = is_thing if is_thing is not None else _said(name, sources)
    events, reports = list[int](), list[BuildReport]()
    if left := building.store.edit(partial(additions.take_back_left, name=name, actor=gate.actor)):
        on_left(left)
    with TemporaryDirectory(prefix="retclip-probe-") as folder:
        check = RegressionCheck(segmenting, gate.probe, name, said, Path(folder))
        check.before(gate.limit, partial(on_step, "probe before"))
        try:
            for source, address in sources:
                step = partial(_tell, on_step, f"add {name}")
                reports.append(
                    add_class(building, name, source, address, is_thing, step, events.append, gate.limit is not None)
                )
            found = check.after(gate.limit, partial(on_step, "probe after"))
        except BaseException:
            if gate.limit is not None:
                take_back(building.store, events, gate.actor)
            raise
    undone = take_back(building.store, events, gate.actor) if found.worse else ()
    if not undone:
        building.store.edit(partial(additions.judge, event_ids=events))
    return CheckedAddition(tuple(reports), tuple(events), undone, found)


def take_back(store: FeatureStore, events: Sequence[int], actor: str) -> tuple[int, ...]:
    """Undo events, the newest first, all or none; the numbers of the events that this makes."""
    return store.edit(partial(undo_all, event_ids=events, actor=actor)) if events else ()


def _said(name: str, sources: Sequence[tuple[ImageSource, str]]) -> bool | None:
    """Whether the first source that has the class calls it countable."""
    for source, _ in sources:
        for one in source.classes():
            if name_key(one.name) == name_key(name) and one.is_thing is not None:
                return one.is_thing
    return None


def _tell(on_step: Callable[[str, int, int], None], task: str, report: BuildReport) -> None:
    on_step(task, report.seen, report.total)
