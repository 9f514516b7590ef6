"""Fine-tunes a proposer: frozen features -> losses -> AdamW; the store stays valid, for its space is unchanged.

A step is a function of the weights before it, the seed and its number: order, crops and random points come from
generators seeded by them. A run that was killed and resumed therefore ends with the same numbers as an uninterrupted
one. With accelerate, several processes share a step: gradients are averaged over them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import torch

from retclip.config_sections import FinetuneSection
from retclip.device import autocast
from retclip.errors import ConfigError, DataError
from retclip.passed_over import Tally
from retclip.plugin.contracts import Backbone
from retclip.plugin.training import Trainable
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Device, Vocabulary
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.training.checkpoint import TrainingState
from retclip.workflows.training.learning_rate import learning_rate
from retclip.workflows.training.stop_signal import StopSignal
from retclip.workflows.training.training_calls import batch_of, checked_losses
from retclip.workflows.training.training_data import Sample, TrainingData
from retclip.workflows.training.training_run import TrainingRun

POINTS = 3  # a stream of random numbers beside those of training_data
PATIENCE = timedelta(hours=12)  # of processes that wait for the one that validates; torch's own ten minutes are too few


@dataclass(frozen=True, eq=False)
class FinetuneJob:
    """What is trained on what. start: makes the trainable, from torch's random state. vocabulary: C_train, with text.
    validate: its figures, of the model as it is. fresh: begin anew. proposer: its name, for messages. A loss is logged
    as the mean over the processes."""

    backbone: Loaded[Backbone]
    start: Callable[[], Trainable]
    data: TrainingData
    vocabulary: Vocabulary
    section: FinetuneSection
    run: TrainingRun
    device: Device
    validate: Callable[[Trainable], Mapping[str, float | None]] | None = None
    fresh: bool = False
    proposer: str = "the proposer"


@dataclass(frozen=True)
class FinetuneReport:
    """How far a run has come.

    begun: steps that an earlier process did, of `step` steps, of `steps` in all.
    losses: the last step's, by name.
    validation: the last one's figures in percent, None for what was not counted.
    failures: images, and parts of an annotation, that this process could not use.
    passed_over: reason -> how many objects, rows and files were left out, of the images it has seen.
    assumed: reason -> how many images were taken under an assumption that nobody can check.
    stopped: the number of the signal that ended it, after a checkpoint; 0 = none.
    main: whether this process speaks for all.
    """

    steps: int
    begun: int = 0
    step: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    validation: Mapping[str, float | None] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    assumed: Mapping[str, int] = field(default_factory=dict)
    stopped: int = 0
    main: bool = True

    def progress(self, message: str = "") -> Progress:
        """Return the progress record of this state.

        message: a line for the user.
        """
        pq = self.validation.get("pq")
        parts = [f"loss {sum(self.losses.values()):.3f}"] if self.losses else []
        parts += [f"PQ {pq:.1f}"] if pq is not None else []
        failed = len(self.failures)
        return Progress("finetune", self.step, self.steps, failed, self.begun, ", ".join(parts), message)


def finetune(job: FinetuneJob, on_progress: OnProgress = silent) -> FinetuneReport:
    """Train to the last step, from the newest checkpoint where there is one.

    job: model, data and settings, checked.
    on_progress: gets a record after each step.

    Raises ConfigError for a precision or batch that cannot be trained with, DataError for a loss that is no number and
    images that cannot be used, OSError where the disk does not take a checkpoint.
    """
    if job.device.dtype == "float16":  # its small gradients would vanish; bfloat16 has the range of float32
        raise ConfigError("a precision to train in", "float16", "set device.dtype to bfloat16 or float32")
    accelerator = accelerator_of(job.device)
    section, ranks = job.section, accelerator.num_processes
    if section.batch_size % ranks:
        todo = "set finetune.batch_size to a multiple of it"
        raise ConfigError(f"a batch that {ranks} processes can share", str(section.batch_size), todo)
    if accelerator.is_main_process:
        job.run.begin(job.fresh, job.vocabulary)
    accelerator.wait_for_everyone()
    torch.manual_seed(section.seed)
    model = job.start()
    optimizer = torch.optim.AdamW(model.parameter_groups(section.weight_decay), lr=section.learning_rate)
    begun = _taken_up(job, model, optimizer)
    report = FinetuneReport(section.steps, begun, begun, main=accelerator.is_main_process)
    if accelerator.is_main_process:
        job.run.cut(report.step)
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    loop = _Loop(job, accelerator, model, wrapped, optimizer, report)
    if begun:
        on_progress(report.progress(f"going on after step {begun}"))
    with StopSignal() as stop:
        loop.go(stop, on_progress)
    return loop.report


class _Loop:
    """The training loop of one process."""

    def __init__(
        self, job: FinetuneJob, accelerator: Any, model: Trainable, wrapped: Any, optimizer: Any, report: FinetuneReport
    ) -> None:
        self.job, self.accelerator, self.model, self.wrapped = job, accelerator, model, wrapped
        self.optimizer, self._report, self._failures = optimizer, report, dict[str, Failure]()
        self._tally, self._counted = Tally(job.data.passed_over), set[str]()  # every epoch shows an image again
        share = job.section.batch_size // accelerator.num_processes
        self.places = range(accelerator.process_index * share, (accelerator.process_index + 1) * share)

    @property
    def report(self) -> FinetuneReport:
        """Return the report up to now."""
        total = self._tally.total
        bad = (Failure(part.record, part.uri, part.reason) for part in total.bad)
        failures = (*self._failures.values(), *bad)
        return replace(self._report, failures=failures, passed_over=total.counts, assumed=total.assumed)

    def go(self, stop: StopSignal, on_progress: OnProgress) -> None:
        """Run every step that is left, with logging, validation and checkpoints."""
        section, first, clock = self.job.section, self._report.step, time.monotonic()
        batches = self.job.data.batches(first, section.steps, section.batch_size, self.places, section.workers)
        for samples in batches:
            losses, norm = self._step(samples)
            step = self._report.step + 1
            self._report = replace(self._report, step=step, losses=losses)
            self._failures |= {failure.external_id: failure for sample in samples for failure in sample.failures}
            self._count_passed_over(samples)
            last = step == section.steps
            if step % section.log_every == 0 or last:
                passed = time.monotonic() - clock
                speed = (step - first) * section.batch_size / passed
                rate = learning_rate(section, step - 1)
                figures = {"total": sum(losses.values()), "learning_rate": rate, "gradient_norm": norm}
                self._log({"losses": losses, **figures, "images_per_second": speed, "seconds": passed})
            if last or (section.validate_every and step % section.validate_every == 0):
                self._validate()
            stopped = 0 if last else self._anyone(stop.number)
            self._report = replace(self._report, stopped=stopped)
            if last or stopped or step % section.checkpoint_every == 0:
                self._save()
            on_progress(self.report.progress())
            if stopped:
                return

    def _count_passed_over(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            if sample.external_id not in self._counted:
                self._counted.add(sample.external_id)
                self._tally.add(sample.passed_over)

    def _step(self, samples: Sequence[Sample]) -> tuple[dict[str, float], float]:
        """Run one optimiser step; return its losses and the gradient norm before clipping.

        Raises DataError, PluginFailed, ContractBroken.
        """
        job, number = self.job, self._report.step
        section, device = job.section, job.device
        batch = batch_of(job.backbone, samples, device)
        self._failures |= {failure.external_id: failure for failure in batch.failures}
        targets = [sample.targets.on(device.torch_device) for sample in batch.samples]
        seed = _seed(section.seed, number, self.accelerator.process_index)
        with autocast(device):
            generator = torch.Generator().manual_seed(seed)
            compute = partial(self.wrapped, batch.features, targets, job.vocabulary, generator)
            losses = checked_losses(job.proposer, number + 1, compute)
        values = torch.stack(list(losses.values()))
        means = dict(zip(losses, self.accelerator.reduce(values.detach().float(), "mean").tolist(), strict=True))
        if not math.isfinite(sum(means.values())):  # of all processes, so that all of them stop
            got = ", ".join(f"{name} {value:g}" for name, value in means.items())
            todo = "lower finetune.learning_rate or set device.dtype = 'float32'; the last checkpoint is whole"
            raise DataError(f"finite losses in step {number + 1}", got, todo)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(section, number)
        self.optimizer.zero_grad()
        self.accelerator.backward(values.sum())
        norm = self.accelerator.clip_grad_norm_(self.wrapped.parameters(), section.clip)
        self.optimizer.step()
        return means, float(norm)

    def _anyone(self, signal: int) -> int:
        """Return the signal that any process has received: they receive it at different steps, and must stop
        together.
        """
        if self.accelerator.num_processes == 1:
            return signal
        heard = torch.tensor([signal], device=self.job.device.torch_device)
        return int(self.accelerator.gather(heard).max())

    def _log(self, figures: Mapping[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.job.run.log({"step": self._report.step, **figures})

    def _validate(self) -> None:
        """Validate the current model in the main process; the others wait."""
        if self.job.validate is not None and self.accelerator.is_main_process:
            modules: Any = self.model
            modules.eval()
            self._report = replace(self._report, validation=self.job.validate(self.model))
            modules.train()
            self._log({"validation": dict(self._report.validation)})
        self.accelerator.wait_for_everyone()

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            job = self.job
            state = TrainingState(
                self._report.step, self.model.state_dict(), self.optimizer.state_dict(), torch.get_rng_state()
            )
            job.run.checkpoints.save(state)
            temporary = job.run.weights.with_name(f".{job.run.weights.name}")
            self.model.save(temporary, job.vocabulary.terms)
            temporary.replace(job.run.weights)
        self.accelerator.wait_for_everyone()


def accelerator_of(device: Device) -> Any:
    """Return accelerate's view of this process, which leaves precision and place to us.

    device: a named one is kept; autocast stands around what it is for.

    Raises ConfigError where accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
    except ImportError as error:
        raise ConfigError("accelerate, for fine-tuning", str(error), "pip install 'retclip[finetune]'") from error
    waiting = InitProcessGroupKwargs(timeout=PATIENCE)
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # a crop may show nothing to find
    return Accelerator(
        device_placement=False,
        mixed_precision="no",
        cpu=device.torch_device == "cpu",
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[waiting, unused],
    )


def _taken_up(job: FinetuneJob, model: Trainable, optimizer: torch.optim.Optimizer) -> int:
    """Restore model, optimiser and random state from the newest checkpoint; return the steps done."""
    latest = job.run.checkpoints.latest()
    if latest is None:
        return 0
    model.load_state_dict(latest.tensors)
    optimizer.load_state_dict(dict(latest.optimizer))
    torch.set_rng_state(latest.random)
    return latest.step


def _seed(seed: int, step: int, rank: int) -> int:
    """Return a generator's seed for a step of a process, far from those of its neighbours."""
    return int(np.random.SeedSequence([seed, POINTS, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))
