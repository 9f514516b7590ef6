"""`retclip doctor`: what is wrong with this installation or this store, and what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retclip.cli import options, output


def doctor(
    store: Annotated[
        Path | None, typer.Option("--store", "-s", metavar="DIR", help="Check this store too.", **options.VARIABLE)
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make the index right where it differs from SQL.")] = False,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Check Python, torch, plugins, weights and, with --store, whether its parts agree. Exit code 1 if not."""
    from dataclasses import asdict

    from retclip.config import find_file, load
    from retclip.opening import store_options
    from retclip.plugin.manager import PluginManager
    from retclip.plugin.weights import cached_in
    from retclip.workflows.doctor.doctor import check_installation, check_store
    from retclip.workflows.doctor.doctor_weights import check_weights

    chosen = load(find_file(store, config))
    findings = check_installation(chosen.plugins.disabled)
    with cached_in(chosen.weights.place):
        manager = PluginManager.discover(chosen.plugins.disabled)
        findings += check_weights(manager.listed_weights(chosen.of_component).values())
    if store is not None:
        findings += check_store(store, store_options(chosen), repair)
    if json:
        output.data([asdict(one) for one in findings])
    else:
        marks = {True: "ok", False: "WRONG"}
        rows = [(marks[one.ok], one.what, one.found, "" if one.ok else one.cure) for one in findings]
        output.table("doctor", ("", "what", "found", "cure"), rows)
    if not all(one.ok for one in findings):
        raise typer.Exit(1)
