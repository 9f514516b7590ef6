"""`retclip finetune`: train a proposer over a frozen backbone, by FC-CLIP's recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.errors import PartialFailure
from retclip.passed_over import by_reason
from retclip.workflows.training.stop_signal import exit_code

if TYPE_CHECKING:
    from retclip.workflows.training.finetune import FinetuneReport


@options.spread
def finetune(
    source: Annotated[str, typer.Argument(help="An annotated source: reader:path?split=NAME")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.")],
    models: options.Models,
    val: Annotated[str | None, typer.Option(metavar="SOURCE", help="Validate on it while training.")] = None,
    classes: Annotated[str | None, typer.Option(help="Only these, a comma list or a file (synonyms count).")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="finetune.steps")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Replace the run that lies in --out.")] = False,
) -> None:
    """Fine-tune a proposer on SOURCE. A run that was stopped goes on from its last checkpoint, with the same numbers as
    one that was not; Ctrl-C and SIGTERM write a checkpoint first. Several GPUs: accelerate launch -m retclip.cli
    finetune ..."""
    import retclip
    from retclip.presets import FINETUNE_PRESET

    flags = options.with_settings(models.flags(), [f"finetune.steps={steps}"] if steps else [])
    preset = None if models.preset or models.config else FINETUNE_PRESET
    with retclip.open(None, models.config, flags, preset=preset) as memory, ProgressLine() as line:
        report = memory.finetune(source, out, val, classes, fresh, line)
    _finish(report, out, models.json)


def _finish(report: FinetuneReport, out: Path, json: bool) -> None:
    if json and report.main:
        output.data({"step": report.step, "steps": report.steps, "weights": str(out / "weights.safetensors"),
                     "losses": dict(report.losses), "validation": dict(report.validation),
                     "passed_over": dict(report.passed_over), "assumed": dict(report.assumed)})  # fmt: skip
    for failure in report.failures:
        output.message(f"not used: {failure}")
    if report.passed_over:
        output.message(f"passed over: {by_reason(report.passed_over)}")
    output.say_assumed(report.assumed)
    if report.stopped:
        if report.main:
            output.message(f"stopped after step {report.step} of {report.steps}. Run the same command again to go on.")
        raise typer.Exit(exit_code(report.stopped))
    figures = ", ".join(f"{key} {output.figure(value)}" for key, value in report.validation.items() if key != "images")
    if report.main:
        output.message(f"{report.step} steps done{f', {figures}' if figures else ''}: {out / 'weights.safetensors'}")
    if report.failures:
        raise PartialFailure("every input to be usable", f"{len(report.failures)} failures", "repair the files named")
