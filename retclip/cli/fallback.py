"""`retclip fallback fill | list | accept | reject | map`, and what other commands say of classes that are missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.build import run_with_progress
from retclip.cli.unknown_names import named_without_store

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.store.records import ClassMatch
    from retclip.workflows.classes.fill_report import FillReport, Near, Outcome
    from retclip.workflows.segment.parts import PreparedVocabulary

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
@options.spread
def fill(
    classes: Annotated[str, typer.Option(help="The names: a comma list or a file.")],
    setup: options.Setup,
    again: Annotated[bool, typer.Option("--again", help="Look up once more what was missing before.")] = False,
    retry_failed: options.RetryFailed = False,
) -> None:
    """Fetch images of the classes that the store lacks, and store them under these names. Runs again where it was
    stopped; what was decided is not asked again."""
    flags = setup.models.flags(True, retry_failed=retry_failed or None)
    with options.opened(setup.store, setup.models.config, flags, required=options.to_build) as memory:
        report = filled(memory, classes, again)
    _finish(report, setup)


@app.command("map")
@options.spread
def map_to(
    query: Query,
    name: Annotated[str, typer.Argument(metavar="CLASS", help="A class of the store or of the fallback data set.")],
    setup: options.Setup,
    reason: Reason = "",
    retry_failed: options.RetryFailed = False,
) -> None:
    """Say which class stands for a name, whatever was decided before. One of the fallback data set is fetched now."""
    flags = setup.models.flags(True, retry_failed=retry_failed or None)
    with options.opened(setup.store, setup.models.config, flags, required=options.to_build) as memory:
        report = run_with_progress(lambda line: memory.matches.map(query, name, reason, line))
    _finish(report, setup)


@app.command("list")
@options.spread
def list_matches(
    at: options.Catalog,
    query: Annotated[str | None, typer.Argument(help="One name (default: all).")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also decisions that a later one took the place of.")
    ] = False,
) -> None:
    """The decisions: which class stands for a name, by which rule, how near, who decided and when."""
    with options.catalog(at) as memory:
        matches = memory.matches.history(query) if history else memory.matches.list(query)
    if at.json:
        output.data([_as_dict(match) for match in matches])
        return
    columns = ("name", "class", "of", "how", "similarity", "needs", "decision", "by", "when", "event", "reason")
    rows = [
        (match.query, match.matched or None, match.dataset or "the store", match.how, _cosine(match.similarity),
         f"> {match.threshold:g}", match.decision, match.decided_by, f"{match.at:%Y-%m-%d %H:%M}", match.event,
         match.reason)
        for match in matches
    ]  # fmt: skip
    output.table(f"decisions in {at.store}", columns, rows)


@app.command("accept")
@options.spread
def accept(query: Query, at: options.Catalog, reason: Reason = "") -> None:
    """Confirm the newest decision about a name, or take its rejection back."""
    with options.catalog(at) as memory:
        match = memory.matches.accept(query, reason)
    if at.json:
        output.data(_as_dict(match))
    later = "; the next fill fetches it" if match.is_fill and match.event is None else ""
    output.message(f"{match.matched} of {match.dataset or 'the store'} stands for {match.query}{later}")


@app.command("reject")
@options.spread
def reject(query: Query, at: options.Catalog, reason: Reason = "") -> None:
    """The newest decision about a name does not count and is not proposed again; what it fetched is taken back."""
    with options.catalog(at) as memory:
        done = memory.matches.reject(query, reason)
    if at.json:
        output.data({"event": done.event or None, "segments": done.segments})
    output.message(f"what was found for {query} does not count any more; {done.segments} segments were taken back")


def filled(memory: RetCLIP, classes: Any, again: bool = False) -> FillReport:
    """Fill, with a line of progress for each class, and say on stderr what became of the names."""
    report = run_with_progress(lambda line: memory.fill_missing(classes, again, line))
    for outcome in report.of("filled"):
        if outcome.images:
            source = f"{outcome.matched!r} of {outcome.dataset} ({outcome.how}{_brackets(outcome.similarity)})"
            output.message(f"{outcome.name}: {outcome.segments} segments from {outcome.images} images of {source}")
        if outcome.reason:
            output.message(f"{outcome.name}: {outcome.reason}")
    for outcome in report.of("missing"):
        output.message(f"missing {outcome.name!r}: {_why(outcome, report.threshold)}")
    if report.failures:
        output.message(f"{len(report.failures)} images could not be used, first {report.failures[0]}")
    if report.of("missing") and not memory.settings.fallback.source:
        output.message("note: fallback.source is empty, so nothing can be fetched; set it in retclip.toml or by --set")
    if report.threshold is None and report.of("missing"):
        why = "this backbone reads no text, or its texts say too little (retclip plugins info)"
        output.message(f"note: names alone were compared: {why}")
    return report


def say_missing(memory: RetCLIP, prepared: PreparedVocabulary, store: Path) -> None:
    """Which classes the store cannot answer for, what is nearest and what to do; none where no classifier asks it."""
    from retclip.workflows.segment.vocabulary import compares_text, missing, needs_neighbours

    segmenter = memory.session.segmenter()
    if not needs_neighbours(segmenter):
        return
    absent, settings = missing(prepared), memory.settings
    add = f"add some: retclip class add NAME PHOTOS --store {store}"
    todo = "fetch some: --fill-missing" if settings.fallback.source else add
    named_by = named_without_store(memory, prepared)
    for match in absent[:SHOWN]:
        if reader := named_by.get(match.name):
            output.message(f"note: the store has no segments of {match.name!r}: {reader} alone names it; {todo}")
            continue
        how_far = f", similarity {match.similarity:.3f}, needs more than {segmenter.matching_threshold:g}"
        near = f" (nearest: {match.nearest!r}{how_far if compares_text(segmenter, prepared.vocabulary) else ''})"
        output.message(f"note: the store has no segments of {match.name!r}{near if match.nearest else ''}; {todo}")
    if absent[SHOWN:]:
        output.message(f"note: nor of {len(absent) - SHOWN} other classes")


def _finish(report: FillReport, setup: options.Setup) -> None:
    from retclip.workflows.classes.fill_report import summary_line

    if setup.models.json:
        output.data(report.as_dict())
    else:
        columns = ("name", "state", "class", "of", "how", "similarity", "images", "segments", "event")
        rows = [
            (outcome.name, outcome.state, outcome.matched, outcome.dataset or None, outcome.how,
             _cosine(outcome.similarity), outcome.images, outcome.segments, outcome.event)
            for outcome in report.outcomes
        ]  # fmt: skip
        output.table("names", columns, rows)
    output.message(summary_line(report))
    listing = output.write_failures(setup.store / "failures.csv", report.failures)
    output.require_usable(report.failures, f"see {listing}", any(outcome.images for outcome in report.outcomes))


def _why(outcome: Outcome, threshold: float | None) -> str:
    places = (("the store", outcome.in_store), ("the fallback data set", outcome.in_fallback))
    near = [f"nearest in {place}: {_near(match)}" for place, match in places if match]
    needs = [f"needs more than {threshold:g}"] if threshold is not None and near else []
    return "; ".join([*([outcome.reason] if outcome.reason else []), *near, *needs]) or "nothing is called so"


def _near(match: Near) -> str:
    return repr(match.name) + (f", similarity {match.similarity:.3f}" if match.similarity is not None else "")


def _brackets(similarity: float | None) -> str:
    return "" if similarity is None else f" {similarity:.3f}"


def _cosine(similarity: float | None) -> str | None:
    return None if similarity is None else f"{similarity:.3f}"


def _as_dict(match: ClassMatch) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(match), "at": f"{match.at:%Y-%m-%dT%H:%M:%S}"}
