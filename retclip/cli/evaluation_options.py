"""How `retclip evaluate` compares answers with an annotation, as options of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import output
from retclip.cli.progress import ProgressLine

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.checked_source import CheckedSource
    from retclip.preset_comparison import PresetComparison
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation

STOPPED = "stopped; nothing was written"

Seen = Annotated[
    str | None, typer.Option(help="Seen classes, a comma list or a file (default: the in-vocabulary classifier's).")
]
Predictions = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="COCO panoptic predictions of any tool, PNGs in the folder of its name."),
]
Oracle = Annotated[
    list[str] | None,
    typer.Option(
        "--oracle", metavar="PARTS", help="What parts cost: masks, labels, selection, several with +, or all."
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option("--compare", metavar="PRESET", help="Also this preset, side by side; a comma list, or repeated."),
]
PerClass = Annotated[bool, typer.Option("--per-class", help="The figures of every class, and what was mixed up.")]


@dataclass(frozen=True)
class Page:
    """The page about the figures."""

    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write one HTML page, or into a folder.")] = (
        None
    )
    pictures: Annotated[int, typer.Option(min=0, help="Images that the report shows, and as many of the worst.")] = 12
    figures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the figures as PNG and SVG; needs the extra `figures`.")
    ] = None


@dataclass(frozen=True)
class Run:
    """The folder of an evaluation."""

    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep run.json and the counts of each image; goes on there.")
    ] = None
    part: Annotated[str | None, typer.Option(metavar="3/8", help="Only this part of the images, into --out.")] = None
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes, of one thread each.")] = 1


@dataclass(frozen=True)
class Intervals:
    """How the intervals are drawn."""

    drawings: Annotated[
        int, typer.Option("--bootstrap", min=0, metavar="N", help="Drawings behind each interval; 0 = no intervals.")
    ] = 1000
    seed: Annotated[int, typer.Option(min=0, help="Of the drawings.")] = 0

    def bootstrap(self) -> Bootstrap:
        """How they are drawn, for the workflows."""
        from retclip.workflows.evaluation.evaluation_figures import Bootstrap

        return Bootstrap(self.drawings, self.seed)


@dataclass(frozen=True)
class Comparison:
    """What is counted, and where it goes."""

    page: Page = field(default_factory=Page)
    intervals: Intervals = field(default_factory=Intervals)
    run: Run = field(default_factory=Run)
    seen: Seen = None
    oracle: Oracle = None

    def figures(self, memory: RetCLIP, source: str | CheckedSource, predictions: Path | None = None) -> Evaluation:
        """Return the figures of a memory's own answers, or of predictions on disk. Raises ConfigError for what is no
        --part."""
        from retclip.workflows.evaluation.run_folder import part_of_text

        part = None if self.run.part is None else part_of_text(self.run.part)
        with output.told_when_stopped(self._when_stopped), ProgressLine() as line:
            return memory.evaluate(source, on_progress=line, predictions=predictions, part=part, **self._common())

    def of_presets(self, memory: RetCLIP, source: str | CheckedSource, presets: list[str]) -> PresetComparison:
        """Return the figures of several presets. Raises ConfigError where --part is set."""
        from retclip.errors import ConfigError

        if self.run.part is not None:
            raise ConfigError("all images where presets are compared", "--part", "leave --part or --compare out")
        with output.told_when_stopped(self._when_stopped), ProgressLine() as line:
            return memory.compare(source, presets, on_progress=line, **self._common())

    def require_written(self, memory: RetCLIP, further: Sequence[str] = ()) -> None:
        """Check, before the work, that page, folder and figures can be written. Raises ConfigError and DataError.

        further: presets beside the chosen one."""
        from retclip.evaluation_run import Output, require_written
        from retclip.preset_comparison import require_each_written

        output = Output(self.page.report, folder=self.run.out, figures=self.page.figures)
        if further:
            require_each_written(output, [memory.settings.preset, *further])
        else:
            require_written(output)

    def _common(self) -> dict[str, Any]:
        return {
            "seen": self.seen, "report": self.page.report, "pictures": self.page.pictures,
            "bootstrap": self.intervals.bootstrap(), "out": self.run.out, "oracles": self.oracle or (),
            "workers": self.run.workers, "figures": self.page.figures,
        }  # fmt: skip

    @property
    def _when_stopped(self) -> str:
        return STOPPED if self.run.out is None else output.GO_ON
