"""An evaluation by several processes on this machine: each counts its part of the images, as `--part` does, in a folder
below the evaluation's own; the counts are then one evaluation's, to the last bit where that computes on as many
threads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from retclip import config
from retclip.errors import ConfigError, DataError
from retclip.evaluation_run import Answers, Output, evaluate, require_same, require_written
from retclip.namespaces import Source, opened
from retclip.progress import OnProgress, Progress
from retclip.session import Components, Session
from retclip.store.states import IndexKind

if TYPE_CHECKING:
    from retclip.executors.one_task_each import Tell
    from retclip.plugin.checked_source import CheckedSource
    from retclip.workflows.evaluation.evaluation_figures import Evaluation

ONE_THREAD = {"device": {"threads": 1}}
IN_MEMORY = {"store": {"index": IndexKind.RESIDENT.value}}  # one process alone can hold the embedded index


@dataclass(frozen=True)
class PartOfImages:
    """What a process needs to count its part.

    store: the folder, None = none.
    settings, file: as they were given to the process that asked.
    """

    store: Path | None
    settings: Mapping[str, Any]
    file: Path | None
    source: str
    answers: Answers
    output: Output


def evaluate_with(
    workers: int, session: Session, source: Source, answers: Answers, output: Output, on_progress: OnProgress
) -> Evaluation:
    """Evaluate with that many processes.

    Raises ConfigError for less than one, and for a part of the images; else as `evaluation_run.evaluate`, and
    PartialFailure where a process is gone.
    """
    if workers < 1 or (workers > 1 and output.part is not None):
        todo = "leave --part out, or let the machine of each part have one worker"
        raise ConfigError("at least one worker, and all images where there are several", str(workers), todo)
    if workers == 1:
        return evaluate(session, source, answers, output, on_progress)
    if output.folder is None:
        with TemporaryDirectory(prefix="retclip-") as folder:
            kept = replace(output, folder=Path(folder) / "evaluation")
            return evaluate_with(workers, session, source, answers, kept, on_progress)
    if answers.predictions is None:
        session.segmenter()  # what is missing is told before processes start
    require_written(output)
    photos = opened(session, source)
    _count(workers, session, photos, answers, output, output.folder, on_progress)
    return evaluate(session, photos, answers, output, on_progress)


def _count(
    workers: int, session: Session, photos: CheckedSource, answers: Answers, output: Output, folder: Path,
    on_progress: OnProgress,
) -> None:  # fmt: skip
    """Let processes count what is not counted yet, and put it into the folder."""
    from retclip.executors.one_task_each import one_task_each
    from retclip.own_files import claim_folder
    from retclip.workflows.evaluation.absorb_parts import absorb_parts, counted_in
    from retclip.workflows.evaluation.run_folder import COUNTS, KIND, PARTS, Part

    claim_folder(folder, KIND)
    absorb_parts(folder)  # of an earlier start
    if (folder / COUNTS).is_file():
        require_same(session, photos, answers, folder)
    counted = counted_in(folder)
    components, shown = session.components, output.report is not None
    settings = components.given if components.settings.device.threads else config.merged(components.given, ONE_THREAD)
    if session.folder is not None and components.settings.store.index == IndexKind.EDGE.value:
        settings = config.merged(settings, IN_MEMORY)
        on_progress(
            Progress(
                "evaluate",
                message="the workers search the store in memory, exactly: no two processes can hold its index",
            )
        )
    tasks = [
        PartOfImages(
            session.folder, settings, components.file, photos.address, answers,
            Output(None, output.pictures, folder / PARTS / f"{n}-of-{workers}", Part(n, workers), counted, shown),
        )
        for n in range(1, workers + 1)
    ]  # fmt: skip
    done, images = dict[int, Progress](), len(photos)

    def told(now: tuple[int, Progress]) -> None:
        done[now[0]] = now[1]
        failed = sum(part.failed for part in done.values())
        on_progress(Progress("evaluate", len(counted) + sum(part.done for part in done.values()), images, failed))

    one_task_each(_count_part, tasks, told)
    absorb_parts(folder)


def _count_part(task: PartOfImages, tell: Tell) -> None:
    """In a process of its own: count the part. What cannot be counted is tried again by the process that asked."""
    components = Components.configured(task.store, task.file, task.settings)
    session, part = Session.open(task.store, components), task.output.part
    with closing(session), suppress(DataError):
        evaluate(session, task.source, task.answers, task.output, lambda now: tell((part.index if part else 0, now)))
