"""`retclip doctor`: what is wrong with this installation or this store, and what cures it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retclip.cli import options, output


def doctor(
    store: Annotated[
        Path | None, typer.Option("--store", "-s", metavar="DIR", help="Check this store too.", **options.VARIABLE)
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make the index right where it differs from SQL.")] = False,
    chain_head: Annotated[
        str | None,
        typer.Option("--chain-head", metavar="HASH", help="The head of the chain of events, as you noted it once."),
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Check Python, torch, plugins, weights and, with --store, whether its parts agree. Exit code 1 if not."""
    import retclip

    report = retclip.doctor(store, config, repair=repair, chain_head=chain_head)
    if json:
        output.data([asdict(finding) for finding in report.findings])
    else:
        marks = {True: "ok", False: "WRONG"}
        rows = [
            (marks[finding.ok], finding.what, finding.found, "" if finding.ok else finding.cure)
            for finding in report.findings
        ]
        output.table("doctor", ("", "what", "found", "cure"), rows)
    if not report.ok:
        raise typer.Exit(1)
