"""A class added behind a regression gate: either every source of it stays, or everything goes back.

    probe before -> every source of the class -> probe after -> stays, or `retclip undo` of each, the newest first

Where a limit was set, an addition that could not be judged, because it or the second walk stopped, goes back, too. What
one left behind whose process died is taken back before the first walk: it must not count as the store's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, Progress, silent
from retclip.workflows.classes.add_class import OpenAddition
from retclip.workflows.classes.addition import Addition, AdditionReport
from retclip.workflows.classes.regression_check import RegressionCheck
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


def add_class_checked(
    building: Parts, segmenting: Segmenter, addition: Addition, gate: Gate, on_progress: OnProgress = silent
) -> AdditionReport:
    """Add a class from every source unless an old class would lose more than the gate's limit.

    building, segmenting: parts over one store.

    Raises what `OpenAddition` and `evaluate` raise; with a limit, the store is as before then.
    """
    store = building.store
    left = tuple(store.classes.undo_unfinished(addition.name, gate.actor))
    if left:
        on_progress(Progress("take back", message=LEFT.format(", ".join(map(str, left)))))
    open_addition = OpenAddition(building, addition, gate.limit is not None)
    with TemporaryDirectory(prefix="retclip-probe-") as folder:
        check = RegressionCheck(segmenting, gate.probe, addition, Path(folder))
        check.before(gate.limit, on_progress)
        try:
            runs = open_addition.carry_out(on_progress)
            check_report = check.after(gate.limit, on_progress)
        except BaseException:
            if gate.limit is not None:
                store.undo_all(open_addition.events, gate.actor)
            raise
    events = tuple(open_addition.events)
    undone = store.undo_all(events, gate.actor) if check_report.worse else ()
    if not undone:
        store.classes.keep_additions(events)
    return AdditionReport(runs, events, undone, left, check_report)
