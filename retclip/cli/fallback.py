"""`retclip fallback fill | list | accept | reject | map`, and what other commands say of classes that are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.catalog import open_catalog, person
from retclip.cli.progress import ProgressLine
from retclip.errors import DataError, PartialFailure

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.progress import OnProgress
    from retclip.store.records import ClassMatch
    from retclip.workflows.classes.fill_report import FillReport, Near, Outcome
    from retclip.workflows.segment.vocabulary import PreparedVocabulary

app = typer.Typer(
    help="Classes that the store lacks: fetched from another data set, by rule or by hand.", no_args_is_help=True
)
SHOWN = 20  # missing classes that are named one by one

Query = Annotated[str, typer.Argument(help="A name that was asked for.")]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the history.")]
FillMissing = Annotated[
    bool, typer.Option("--fill-missing", help="Fetch classes that the store lacks from fallback.source.")
]


@app.command("fill")
def fill(
    classes: Annotated[str, typer.Option(help="The names: a comma list or a file.")],
    again: Annotated[bool, typer.Option("--again", help="Look up once more what was missing before.")] = False,
    retry_failed: options.RetryFailed = False,
    store: options.Store = options.DEFAULT_STORE,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Fetch images of the classes that the store lacks, and store them under these names. Runs again where it was
    stopped; what was decided is not asked again."""
    given = options.flags(settings, preset, backbone, proposer, building=True, retry_failed=retry_failed)
    with options.opened(store, config, given, required=options.to_build) as retclip:
        report = filled(retclip, classes, again)
    _finish(report, store, json)


@app.command("map")
def map_to(
    query: Query,
    name: Annotated[str, typer.Argument(metavar="CLASS", help="A class of the store or of the fallback data set.")],
    reason: Reason = "",
    retry_failed: options.RetryFailed = False,
    store: options.Store = options.DEFAULT_STORE,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Say which class stands for a name, whatever was decided before. One of the fallback data set is fetched now."""
    from retclip.workflows.classes.map_class import map_class

    given = options.flags(settings, preset, backbone, proposer, building=True, retry_failed=retry_failed)
    with options.opened(store, config, given, required=options.to_build) as retclip:
        report = _with_progress(lambda step: map_class(retclip.filling(), query, name, person(), reason, step))
    _finish(report, store, json)


@app.command("list")
def list_matches(
    query: Annotated[str | None, typer.Argument(help="One name (default: all).")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also decisions that a later one took the place of.")
    ] = False,
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """The decisions: which class stands for a name, by which rule, how near, who decided and when."""

    with open_catalog(store, config) as opened:
        found = opened.matches.history(query)
    gone = {one.supersedes for one in found}
    chosen = [one for one in found if history or one.id not in gone]
    if json:
        output.data([_as_dict(one) for one in chosen])
        return
    columns = ("name", "class", "of", "how", "similarity", "needs", "decision", "by", "when", "event", "reason")
    rows = [
        (one.query, one.matched or None, one.dataset or "the store", one.how, _cosine(one.similarity),
         f"> {one.threshold:g}", one.decision, one.decided_by, f"{one.at:%Y-%m-%d %H:%M}", one.event, one.reason)
        for one in chosen
    ]  # fmt: skip
    output.table(f"decisions in {store}", columns, rows)


@app.command("accept")
def accept(
    query: Query,
    reason: Reason = "",
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Confirm the newest decision about a name, or take its rejection back."""
    with open_catalog(store, config) as opened:
        found = opened.matches.accept(query, person(), reason)
    if json:
        output.data(_as_dict(found))
    later = "; the next fill fetches it" if found.is_fill and found.event is None else ""
    output.message(f"{found.matched} of {found.dataset or 'the store'} stands for {found.query}{later}")


@app.command("reject")
def reject(
    query: Query,
    reason: Reason = "",
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """The newest decision about a name does not count and is not proposed again; what it fetched is taken back."""
    with open_catalog(store, config) as opened:
        done = opened.matches.reject(query, person(), reason)
    if json:
        output.data({"event": done.event or None, "segments": done.segments})
    output.message(f"what was found for {query} does not count any more; {done.segments} segments were taken back")


def filled(retclip: RetCLIP, classes: Any, again: bool = False) -> FillReport:
    """Fill, with a line of progress for each class, and say on stderr what became of the names."""
    report = _with_progress(lambda step: retclip.fill_missing(classes, again, step))
    for one in report.of("filled"):
        if one.images:
            source = f"{one.matched!r} of {one.dataset} ({one.how}{_brackets(one.similarity)})"
            output.message(f"{one.name}: {one.segments} segments from {one.images} images of {source}")
        if one.reason:
            output.message(f"{one.name}: {one.reason}")
    for one in report.of("missing"):
        output.message(f"missing {one.name!r}: {_why(one, report.threshold)}")
    if report.failures:
        output.message(f"{len(report.failures)} images could not be used, first {report.failures[0]}")
    if report.of("missing") and not retclip.settings.fallback.source:
        output.message("note: fallback.source is empty, so nothing can be fetched; set it in retclip.toml or by --set")
    if report.threshold is None and report.of("missing"):
        output.message("note: this backbone reads no text, so names alone were compared")
    return report


def say_missing(retclip: RetCLIP, prepared: PreparedVocabulary, store: Path) -> None:
    """Which classes the store cannot answer for, what is nearest and what to do; none where no classifier asks it."""
    from retclip.workflows.segment.vocabulary import missing, needs_neighbours

    if not needs_neighbours(retclip.parts()):
        return
    found, settings = missing(prepared), retclip.settings
    add = f"add some: retclip class add NAME PHOTOS --store {store}"
    todo = "fetch some: --fill-missing" if settings.fallback.source else add
    for match in found[:SHOWN]:
        how_far = f", similarity {match.similarity:.3f}, needs more than {settings.matching.threshold:g}"
        near = f" (nearest: {match.nearest!r}{how_far if prepared.vocabulary.text is not None else ''})"
        output.message(f"note: the store has no segments of {match.name!r}{near if match.nearest else ''}; {todo}")
    if found[SHOWN:]:
        output.message(f"note: nor of {len(found) - SHOWN} other classes")


def _with_progress(action: Callable[[OnProgress], FillReport]) -> FillReport:
    with output.told_when_stopped(), ProgressLine() as line:
        return action(line)


def _finish(report: FillReport, store: Path, json: bool) -> None:
    from retclip.workflows.classes.fill_report import summary_line

    if json:
        output.data(report.as_dict())
    else:
        columns = ("name", "state", "class", "of", "how", "similarity", "images", "segments", "event")
        rows = [
            (one.name, one.state, one.matched, one.dataset or None, one.how, _cosine(one.similarity), one.images,
             one.segments, one.event)
            for one in report.outcomes
        ]  # fmt: skip
        output.table("names", columns, rows)
    output.message(summary_line(report))
    listing = output.write_failures(store / "failures.csv", report.failures)
    if report.failures:
        kind = PartialFailure if any(one.images for one in report.outcomes) else DataError
        raise kind(
            "every input to be usable", f"{len(report.failures)} failures, first {report.failures[0]}", f"see {listing}"
        )


def _why(one: Outcome, threshold: float | None) -> str:
    places = (("the store", one.in_store), ("the fallback data set", one.in_fallback))
    near = [f"nearest in {place}: {_near(found)}" for place, found in places if found]
    needs = [f"needs more than {threshold:g}"] if threshold is not None and near else []
    return "; ".join([*([one.reason] if one.reason else []), *near, *needs]) or "nothing is called so"


def _near(found: Near) -> str:
    return repr(found.name) + (f", similarity {found.similarity:.3f}" if found.similarity is not None else "")


def _brackets(similarity: float | None) -> str:
    return "" if similarity is None else f" {similarity:.3f}"


def _cosine(similarity: float | None) -> str | None:
    return None if similarity is None else f"{similarity:.3f}"


def _as_dict(one: ClassMatch) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(one), "at": f"{one.at:%Y-%m-%dT%H:%M:%S}"}
