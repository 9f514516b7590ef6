"""A class added behind a regression gate: either every source of it stays, or everything goes back.

    probe before -> every source of the class -> probe after -> stays, or `retclip undo` of each, the newest first

Where a limit was set, an addition that could not be judged, because it or the second walk stopped, goes back, too. What
one left behind whose process died is taken back before the first walk: it must not count as the store's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from retclip.names import name_key
from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, Progress, silent
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.classes.add_class import Addition
from retclip.workflows.classes.regression_check import RegressionCheck
from retclip.workflows.classes.regression_figures import RegressionReport
from retclip.workflows.segment.parts import Parts, Segmenter

LEFT = "an earlier addition of this class was cut off; what it had stored is taken back (event {})"


@dataclass(frozen=True)
class Gate:
    """A regression gate.

    probe: the images that are segmented before and after.
    limit: percentage points that an old class may lose; None = any.
    actor: who takes the addition back.
    """

    probe: ImageSource
    limit: float | None = None
    actor: str = "retclip"


@dataclass(frozen=True)
class AdditionReport:
    """The result of an addition.

    runs: the builds, one per source.
    events: of the additions, for `retclip undo`.
    undone: the events of the roll-back; empty where the class stayed.
    taken_back: the events of an earlier addition of the class whose process died, which were undone first.
    check: the changes on the probe; None without one.
    """

    runs: tuple[BuildReport, ...]
    events: tuple[int, ...]
    undone: tuple[int, ...] = ()
    taken_back: tuple[int, ...] = ()
    check: RegressionReport | None = None

    @property
    def kept(self) -> bool:
        """Whether the class stayed."""
        return not self.undone

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kept": self.kept, **asdict(self), "check": self.check and self.check.as_dict()}


def add_class_checked(
    building: Parts,
    segmenting: Segmenter,
    name: str,
    sources: Sequence[tuple[ImageSource, str]],
    gate: Gate,
    is_thing: bool | None = None,
    on_progress: OnProgress = silent,
) -> AdditionReport:
    """Add a class from every source unless an old class would lose more than the gate's limit.

    building, segmenting: parts over one store.
    sources: each with its address.
    is_thing: whether the class is countable; None = the sources decide, or nobody.

    Raises what `Addition` and `evaluate` raise; with a limit, the store is as before then.
    """
    addition = Addition(building, name, is_thing, gate.limit is not None)
    kind, store = is_thing if is_thing is not None else _said(addition.name, sources), building.store
    left = tuple(store.classes.undo_unfinished(addition.name, gate.actor))
    if left:
        on_progress(Progress("take back", message=LEFT.format(", ".join(map(str, left)))))
    with TemporaryDirectory(prefix="retclip-probe-") as folder:
        check = RegressionCheck(segmenting, gate.probe, addition.name, kind, Path(folder))
        check.before(gate.limit, on_progress)
        try:
            runs = tuple(addition.add(source, address, on_progress) for source, address in sources)
            check_report = check.after(gate.limit, on_progress)
        except BaseException:
            if gate.limit is not None:
                store.undo_all(addition.events, gate.actor)
            raise
    undone = store.undo_all(addition.events, gate.actor) if check_report.worse else ()
    if not undone:
        store.classes.keep_additions(addition.events)
    return AdditionReport(runs, tuple(addition.events), undone, left, check_report)


def _said(name: str, sources: Sequence[tuple[ImageSource, str]]) -> bool | None:
    """Return whether the class is countable, by the first source that says it."""
    for source, _ in sources:
        for source_class in source.classes():
            if name_key(source_class.name) == name_key(name) and source_class.is_thing is not None:
                return source_class.is_thing
    return None
