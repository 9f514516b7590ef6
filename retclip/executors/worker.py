"""The worker: opens the source and loads the models itself, and turns the units that it is told into outcomes.

It has no database and no key of one. What crosses to it are names and numbers of images, what crosses back are run
lengths and vectors: never pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from retclip.config import Settings
from retclip.config_sections import StoreSection, WeightsSection
from retclip.data.file_memory import remembering
from retclip.errors import DataError, SpaceMismatch
from retclip.plugin.contracts import SourceImage
from retclip.session import Components
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.unit_work import Outcome, outcome_of
from retclip.workflows.building.units import Unit, memory_of, storable
from retclip.workflows.segment.decode_ahead import decoded


@dataclass(frozen=True)
class Job:
    """What every unit of a build has in common. space: id of the feature space that the store holds. folder: where
    relative paths begin. threads: of torch."""

    settings: Settings
    address: str
    space: str
    names: tuple[str, ...]
    stored: tuple[str, ...]
    is_thing: Mapping[str, bool | None]
    folder: str
    threads: int

    @classmethod
    def of(cls, settings: Settings, address: str, naming: LabelAssignment, device: str, threads: int) -> Job:
        """The job as one worker gets it: its own device, and no secrets."""
        sections = {"store": StoreSection(), "weights": WeightsSection(folder=settings.weights.folder, offline=True)}
        device_section = settings.device.model_copy(update={"name": device})
        harmless = settings.model_copy(update={**sections, "device": device_section})
        space = naming.models.keys.component.space.id
        names, stored = naming.names, naming.stored
        return cls(harmless, address, space, names, stored, dict(naming.is_thing), str(Path.cwd()), threads)


@dataclass(frozen=True)
class Ticket:
    """A unit without its record, which the worker finds again by its position in the source."""

    position: int
    external_id: str
    key: str
    content: str
    class_names: tuple[str, ...]
    absent: tuple[str, ...]

    @classmethod
    def of(cls, unit: Unit) -> Ticket:
        """The unit, as it travels."""
        return cls(unit.position, unit.record.external_id, unit.key, unit.content, unit.class_names, unit.absent)


class Worker:
    """Loads everything when it is first asked for something, so that what cannot be loaded is an answer."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._naming: LabelAssignment | None = None
        self._records: Iterator[SourceImage] = iter(())
        self._next = 0

    def work(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        """One outcome per ticket. Raises what concerns every image: PluginError, WeightsMissing, SpaceMismatch."""
        naming = self._ready()
        with remembering(memory_of(self._job.settings)):
            return self._outcomes(naming, tickets)

    def _outcomes(self, naming: LabelAssignment, tickets: Sequence[Ticket]) -> list[Outcome]:
        units, outcomes = [], []
        for ticket in tickets:
            try:
                units.append(self._unit(ticket))
            except DataError as error:
                outcomes.append(Outcome(ticket.key, reason=str(error)))
        answers = decoded(unit.record for unit in units)
        return outcomes + [outcome_of(naming, unit, answer) for unit, (_, answer) in zip(units, answers, strict=True)]

    def start(self) -> int:
        """Load everything; the number of this process. Raises as `work`."""
        self._ready()
        return os.getpid()

    def _ready(self) -> LabelAssignment:
        if self._naming is None:
            import torch

            job = self._job
            with suppress(OSError):  # on another machine there may be no such folder; absolute paths do without
                os.chdir(job.folder)
            torch.set_num_threads(job.threads)
            self._components = Components(job.settings)
            models = self._components.models(building=True)
            space = models.keys.component.space
            if space.id != job.space:
                todo = "bring the same weights and program version to every machine"
                got = f"{space.backbone} of space {space.id} in a worker"
                raise SpaceMismatch(f"vectors of space {job.space}, as the store holds", got, todo)
            self._naming = LabelAssignment(models, job.names, job.is_thing, job.stored)
            self._source = self._components.source(job.address)
        return self._naming

    def _unit(self, ticket: Ticket) -> Unit:
        record = storable(self._record(ticket))
        return Unit(record, ticket.key, ticket.content, ticket.class_names, ticket.absent, ticket.position)

    def _record(self, ticket: Ticket) -> SourceImage:
        """Read on to the record: tasks come in the source's order, mostly."""
        if ticket.position < self._next:
            self._next = 0
        if self._next == 0:
            self._records = iter(self._source.images())
        record = next(islice(self._records, ticket.position - self._next, None), None)
        self._next = ticket.position + 1
        external_id = None if record is None else storable(record).external_id
        if record is None or external_id != ticket.external_id:
            self._next = 0
            todo = "do not change the data set while it is read; every machine must see the same files"
            raise DataError(
                f"{ticket.external_id} as image {ticket.position} of {self._job.address}", str(external_id), todo
            )
        return record
