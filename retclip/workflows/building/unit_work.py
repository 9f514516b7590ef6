"""The work on one unit, in this process, in another one, or on another machine.

An executor maps tasks to outcomes, in any order. It computes and writes nothing: the caller commits the outcomes, so
that a store has one writer for any number of workers (stores.md 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

from retclip.errors import DataError
from retclip.store.records import UnitResult
from retclip.types import Image
from retclip.workflows.building.image_segments import image_segments
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.units import Unit
from retclip.workflows.segment.decode_ahead import decoded


@dataclass(frozen=True)
class Task:
    """Units that are processed together and stored together.

    begin: called with the key of the unit that this process starts, and with "" after the last one; other processes
    report theirs by dying.
    """

    number: int
    units: tuple[Unit, ...]
    begin: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of a unit: its result, or the reason why there is none.

    dropped: masks that cover no cell or pixel.
    """

    key: str
    result: UnitResult | None = None
    dropped: int = 0
    reason: str = ""


# None among the tasks: nothing to do in that stretch, and time to look after what is out.
Executor = Callable[[Iterator[Task | None]], Iterator[tuple[Task, Outcome]]]
Starter = Callable[[LabelAssignment], AbstractContextManager[Executor]]


def outcome_of(naming: LabelAssignment, unit: Unit, answer: Image | DataError) -> Outcome:
    """Process one image, decoded or not. Raises ContractBroken and other errors that concern every image."""
    if isinstance(answer, DataError):
        return Outcome(unit.key, reason=str(answer))
    try:
        result, dropped = image_segments(naming.models, unit, answer, naming)
    except DataError as error:
        return Outcome(unit.key, reason=str(error))
    return Outcome(unit.key, result, dropped)


@contextmanager
def in_this_process(naming: LabelAssignment) -> Iterator[Executor]:
    """Yield the executor without processes: one unit after the other, the next ones decoded meanwhile."""

    def outcomes(tasks: Iterator[Task | None]) -> Iterator[tuple[Task, Outcome]]:
        for task in filter(None, tasks):
            with closing(decoded(unit.record for unit in task.units)) as answers:
                for unit in task.units:
                    task.begin(unit.key)  # before it is decoded: decoders die, too
                    outcome = outcome_of(naming, unit, next(answers)[1])
                    if unit is task.units[-1]:
                        task.begin("")
                    yield task, outcome

    yield outcomes
