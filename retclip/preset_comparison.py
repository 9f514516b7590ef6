"""`memory.compare`: several presets on one source and one store, side by side, and whether they differ by more than
noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from retclip import config
from retclip.errors import ConfigError
from retclip.evaluation_parts import evaluate_with
from retclip.evaluation_run import require_written
from retclip.namespaces import Source, opened
from retclip.progress import OnProgress, Progress
from retclip.session import Components, Session

if TYPE_CHECKING:
    from retclip.evaluation_run import Answers, Output
    from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation
    from retclip.workflows.evaluation.paired_differences import Difference


@dataclass(frozen=True)
class PresetComparison:
    """Presets on the same images.

    evaluations: preset -> its figures, in the order in which they were asked for.
    differences: of each further preset to the first, over the images that both counted; above 0 = it is better.
    """

    evaluations: Mapping[str, Evaluation]
    differences: Mapping[str, tuple[Difference, ...]]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(f'{name}: {one!r}' for name, one in self.evaluations.items())}>"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        differences = {name: [row.as_dict() for row in rows] for name, rows in self.differences.items()}
        presets = {name: evaluation.as_dict() for name, evaluation in self.evaluations.items()}
        return {"presets": presets, "differences": differences}


def compare(
    session: Session, presets: Sequence[str], source: Source, answers: Answers, output: Output, workers: int,
    on_progress: OnProgress,
) -> PresetComparison:  # fmt: skip
    """Evaluate every preset; see `RetCLIP.compare`. What a preset lacks, and a page or figures that cannot be written,
    is told before the first one is evaluated."""
    if len(presets) < 2 or len(set(presets)) < len(presets) or answers.predictions is not None:
        got = ", ".join(presets) or "none"
        raise ConfigError("two presets or more, each once, that answer themselves", got, "correct --compare")
    if output.folder is None:
        with TemporaryDirectory(prefix="retclip-") as name:
            kept = replace(output, folder=Path(name))
            return compare(session, presets, source, answers, kept, workers, on_progress)
    sessions = {name: with_preset(session, name) for name in presets}
    for other in sessions.values():
        other.segmenter()
    from retclip.report.comparison_page import write_comparison
    from retclip.report.evaluation_page import ready_page
    from retclip.report.shown_images import ShownImages

    folder, whole = output.folder, None if output.report is None else ready_page(output.report)
    outputs = {name: _of_preset(output, folder, name) for name in presets}
    require_each_written(output, presets)
    address, evaluations = opened(session, source).address, {}
    for name, other in sessions.items():
        on_progress(Progress("evaluate", message=f"preset {name}"))
        evaluations[name] = evaluate_with(workers, other, address, answers, outputs[name], on_progress)
    differences = _differences(folder, presets, answers.bootstrap)
    if whole is not None:
        images = {name: ShownImages(output.pictures, store=None).of_folder(folder / name).evenly for name in presets}
        pages = {name: each.report for name, each in outputs.items() if each.report is not None}
        write_comparison(whole, evaluations, differences, address, pages, images)
    return PresetComparison(evaluations, {name: changes.whole for name, changes in differences.items()})


def with_preset(session: Session, preset: str) -> Session:
    """Return a session of the same store with another preset; what else was set holds for it, too. It must not be
    closed apart."""
    components = session.components
    given = config.merged(components.given, {"preset": preset})
    return Session(Components.configured(session.folder, components.file, given), session.without_store())


def require_each_written(output: Output, presets: Sequence[str]) -> None:
    """Check, before the work, that what is said of all presets and of each can be written. Raises ConfigError and
    DataError."""
    from retclip.report.evaluation_page import ready_page

    if output.report is not None:
        ready_page(output.report)
    for name in presets:
        require_written(_of_preset(output, output.folder, name))


def _of_preset(output: Output, folder: Path | None, preset: str) -> Output:
    """Return where what is said of one preset goes. folder: of all counts, None = none is kept."""
    page = None if output.report is None else _page_of(output.report, preset)
    figures = None if output.figures is None else output.figures / preset
    return replace(output, folder=None if folder is None else folder / preset, report=page, figures=figures)


def _page_of(report: Path, preset: str) -> Path:
    """Return the page of one preset: beside the page of all, or in a folder below its folder."""
    from retclip.report.evaluation_page import page_file

    is_page = page_file(report) == report
    return report.with_name(f"{report.stem}-{preset}{report.suffix}") if is_page else page_file(report / preset)


def _differences(folder: Path, presets: Sequence[str], bootstrap: Bootstrap | None) -> dict[str, EvaluationDifference]:
    """Return what each further preset has otherwise than the first, over the images that both counted."""
    from retclip.workflows.evaluation.evaluation_difference import evaluation_difference
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.evaluation.run_folder import RunFolder

    runs = [RunFolder.finished(folder / name) for name in presets]
    drawn = bootstrap or Bootstrap()
    return {name: evaluation_difference(runs[0], run, drawn) for name, run in zip(presets[1:], runs[1:], strict=True)}
