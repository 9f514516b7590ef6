"""`retclip influence`: which kept answers a stored segment, or a run's segments, decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output

if TYPE_CHECKING:
    from retclip.workflows.explain.influence import Influence


@options.spread
def influence(
    at: options.Catalog,
    segment: Annotated[
        str | None, typer.Argument(metavar="[SEGMENT]", help="A stored segment's id, or its beginning.")
    ] = None,
    run: Annotated[int | None, typer.Option(help="Instead: every segment that this run stored.")] = None,
) -> None:
    """Say of which answers a stored segment was a voter, and which would be another class without it. Answers are those
    that `segment --trace` kept."""
    with options.catalog(at) as memory:
        found = memory.influence(segment, run)
    if at.json:
        output.data(found.as_dict())
        return
    columns = ("photo", "segment", "class", "pixels", "changed", "without", "trace")
    rows = [
        (
            Path(one.image_uri).name, one.segment, one.class_name, one.pixels,
            one.changed_pixels if one.exact else f"{one.changed_pixels} or more is not known",
            (one.label_without or "no label") if one.changed_pixels else "", one.trace,
        )
        for one in found.segments
    ]  # fmt: skip
    output.table(f"what {segment or f'run {run}'} voted for", columns, rows)
    output.message(_told(found))


def _told(found: Influence) -> str:
    if not found.traces:
        return "no answer is kept: retclip segment PHOTOS --trace"
    voted = f"voted for {len(found.segments)} segments in {found.photos} photos of {found.traces} kept answers"
    return f"{voted}; {len(found.changed)} would be another class without"
