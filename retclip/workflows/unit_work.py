"""One unit's work, wherever it is done: in this process, in another one, or on another machine.

An executor takes tasks and gives outcomes, in whatever order they come. It computes and writes nothing: whoever asked
commits what comes back, so that a store has one writer however many work for it (stores.md 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from retclip.errors import DataError
from retclip.store.ingest import UnitResult
from retclip.types import Image
from retclip.workflows.decode_ahead import decoded
from retclip.workflows.image_segments import image_segments
from retclip.workflows.label_assignment import LabelAssignment
from retclip.workflows.units import Unit


@dataclass(frozen=True)
class Task:
    """Units that are worked on together and stored together."""

    number: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a unit: its result, or the reason why there is none. dropped: masks that met nothing."""

    key: str
    result: UnitResult | None = None
    dropped: int = 0
    reason: str = ""


# None among the tasks: nothing to do in that stretch, and time to look after what is out.
Executor = Callable[[Iterator[Task | None]], Iterator[tuple[Task, Outcome]]]
Starter = Callable[[LabelAssignment], AbstractContextManager[Executor]]


def outcome_of(naming: LabelAssignment, unit: Unit, answer: Image | DataError) -> Outcome:
    """Work on one image, decoded or not. Raises ContractBroken and other errors that concern every image."""
    if isinstance(answer, DataError):
        return Outcome(unit.key, reason=str(answer))
    try:
        result, dropped = image_segments(naming.models, unit, answer, naming)
    except DataError as error:
        return Outcome(unit.key, reason=str(error))
    return Outcome(unit.key, result, dropped)


@contextmanager
def in_this_process(naming: LabelAssignment) -> Iterator[Executor]:
    """The executor that needs nothing: one unit after the other, the next ones decoded meanwhile."""

    def outcomes(tasks: Iterator[Task | None]) -> Iterator[tuple[Task, Outcome]]:
        for task in filter(None, tasks):
            answers = decoded(unit.record for unit in task.units)
            for unit, (_, answer) in zip(task.units, answers, strict=True):
                yield task, outcome_of(naming, unit, answer)

    yield outcomes
