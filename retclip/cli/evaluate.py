"""`retclip evaluate`: PQ, mAP and mIoU over an annotated source, for seen and unseen classes apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.fallback import FillMissing, filled, say_missing
from retclip.cli.output import figure
from retclip.cli.progress import ProgressLine
from retclip.errors import PartialFailure
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.report.evaluation_page import EvaluationPage
    from retclip.workflows.evaluation.evaluate import Evaluation
    from retclip.workflows.segment.vocabulary import PreparedVocabulary

Seen = Annotated[
    str | None, typer.Option(help="Seen classes, a comma list or a file (default: the in-vocabulary classifier's).")
]
Report = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write one HTML page, or into a folder.")]
Pictures = Annotated[int, typer.Option(min=0, help="Images that the report shows.")]
PerClass = Annotated[bool, typer.Option("--per-class", help="The figures of every class, and what was mixed up.")]


def evaluate(
    source: Annotated[str, typer.Argument(help="An annotated source: reader:path?split=NAME")],
    seen: Seen = None,
    report: Report = None,
    pictures: Pictures = 12,
    per_class: PerClass = False,
    fill_missing: FillMissing = False,
    store: options.Store = options.DEFAULT_STORE,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    classifier: options.Classifiers = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Segment every image of SOURCE with its own classes and compare: PQ, SQ, RQ, mAP and mIoU, for all classes and for
    those that the fine-tuning saw and did not see apart."""
    given = options.flags(settings, preset, backbone, proposer, classifier)
    from retclip.workflows.building.source_classes import annotated_vocabulary

    with options.opened(store, config, given, missing_ok=not fill_missing, required=options.to_segment) as retclip:
        fill = filled(retclip, annotated_vocabulary(retclip.source(source))) if fill_missing else None
        page = _page(report, pictures) if report else None
        with output.told_when_stopped("stopped; nothing was written"), ProgressLine() as line:
            evaluator = retclip.evaluator(source, seen)
            _prepared(retclip, evaluator.prepared, page, None if fill else store)
            for judged in evaluator.judged(line):
                if page:
                    page.add(judged)
            found = evaluator.evaluation()
    if json:
        output.data({**found.as_dict(), "fill": fill.as_dict()} if fill else found.as_dict())
    else:
        _print(found, per_class)
    if found.passed_over:
        output.message(f"passed over: {by_reason(found.passed_over)}")
    output.say_assumed(found.assumed)
    if page:
        output.message(f"wrote {page.write(found, source)}")
    if unusable := [*(fill.failures if fill else ()), *found.failures]:
        raise PartialFailure(
            "every input to be usable", f"{len(unusable)} failures, first {unusable[0]}", "list them: --json"
        )


def _prepared(retclip: RetCLIP, prepared: PreparedVocabulary, page: EvaluationPage | None, store: Path | None) -> None:
    """Once the classes are known. store: None where what it lacks was told before."""
    if page:
        page.names = prepared.vocabulary.names
    if store is not None:
        say_missing(retclip, prepared, store)


def _page(path: Path, pictures: int) -> EvaluationPage:
    from retclip.report.evaluation_page import EvaluationPage

    return EvaluationPage(path, pictures)


def _print(found: Evaluation, per_class: bool) -> None:
    keys = ("pq", "sq", "rq", "map", "miou")
    whole = ("all", len(found.per_class), *(figure(getattr(found, key)) for key in keys))
    groups = [(name, one.classes, *(figure(getattr(one, key)) for key in keys)) for name, one in found.groups.items()]
    columns = ("", "classes", "PQ", "SQ", "RQ", "mAP", "mIoU")
    output.table(f"{found.images} images", columns, [whole, *groups])
    if per_class:
        _print_classes(found)
    output.message(
        f"PQ things {figure(found.pq_things)}, stuff {figure(found.pq_stuff)}  AP50 {figure(found.map50)}  "
        f"AP75 {figure(found.map75)}  pixel accuracy {figure(found.pixel_accuracy)}  "
        f"segment accuracy {figure(found.segment_accuracy)}"
    )
    if found.no_map:
        output.message(f"AP is not counted: {found.no_map}")
    else:
        sizes = (figure(one) for one in (found.map_small, found.map_medium, found.map_large))
        output.message("AP of small things {}, of medium ones {}, of large ones {}".format(*sizes))
    if not found.groups:
        output.message("no in-vocabulary classifier took part: --seen says which classes count as seen")


def _print_classes(found: Evaluation) -> None:
    columns = ("class", "seen", "PQ", "SQ", "RQ", "AP", "IoU", "TP", "FP", "FN")
    keys = ("pq", "sq", "rq", "ap", "iou", "tp", "fp", "fn")
    rows = [(name, _said(one["seen"]), *(figure(one[key]) for key in keys)) for name, one in found.per_class.items()]
    output.table("classes", columns, rows)
    mixed = [(one.annotated, one.predicted or "-", one.pixels, figure(one.share)) for one in found.confusion]
    output.table("what is taken for what", ("annotated", "taken for", "pixels", "% of the class"), mixed)


def _said(seen: float | int | None) -> str:
    return "-" if seen is None else "seen" if seen else "unseen"
