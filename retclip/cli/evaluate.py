"""`retclip evaluate`: PQ and mIoU over an annotated source."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.progress import Progress
from retclip.errors import PartialFailure

if TYPE_CHECKING:
    from retclip.workflows.evaluate import Evaluation


def evaluate(
    source: Annotated[str, typer.Argument(help="An annotated source: reader:path?split=NAME")],
    store: options.Store = options.DEFAULT_STORE,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    classifier: options.Classifiers = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Segment every image of SOURCE with its own classes and compare: PQ, SQ, RQ, mIoU, per class and in total."""
    given = options.flags(settings, preset, backbone, proposer, classifier)
    bar: list[Progress] = []
    started = time.monotonic()

    def step(done: int, total: int) -> None:
        if not bar:
            bar.append(Progress("evaluate", total, started).__enter__())
        bar[0].update(done)

    try:
        with options.opened(store, config, given, missing_ok=True) as retclip:
            found = retclip.evaluate(source, step)
    finally:
        if bar:
            bar[0].__exit__(None)
    if json:
        output.data(found.as_dict())
    else:
        _print(found)
    if found.failures:
        raise PartialFailure("every image to be usable", f"{len(found.failures)} failures", "see --json for the list")


def _print(found: Evaluation) -> None:
    columns = ("class", "PQ", "SQ", "RQ", "IoU", "TP", "FP", "FN")
    keys = ("pq", "sq", "rq", "iou", "tp", "fp", "fn")
    rows = [(name, *(_shown(one[key]) for key in keys)) for name, one in found.per_class.items()]
    total = ("all", *(_shown(value) for value in (found.pq, found.sq, found.rq, found.miou)), None, None, None)
    output.table(f"{found.images} images", columns, [*rows, total])
    output.message(
        f"PQ {found.pq:.1f} (things {_shown(found.pq_things)}, stuff {_shown(found.pq_stuff)})  mIoU {found.miou:.1f}  "
        f"pixel accuracy {found.pixel_accuracy:.1f}  segment accuracy {found.segment_accuracy:.1f}"
    )


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
