"""`retclip influence`: which kept answers a stored segment, or a run's segments, decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.quantities import quantity

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
    """Say in which answers a stored segment voted, or kept others from voting as a negative example, and which would be
    another class without it. Answers are those that `segment --trace` kept."""
    with options.catalog(at) as memory:
        influenced = memory.influence(segment, run)
    if at.json:
        output.data(influenced.as_dict())
        return
    columns = ("photo", "segment", "class", "pixels", "changed", "without", "trace")
    rows = [
        (
            Path(voted.image_uri).name, voted.segment, voted.class_name, voted.pixels,
            voted.changed_pixels if voted.exact else f"{voted.changed_pixels} or more is not known",
            (voted.label_without or "no label") if voted.changed_pixels else "", voted.trace,
        )
        for voted in influenced.segments
    ]  # fmt: skip
    output.table(f"where {segment or f'run {run}'} took part", columns, rows)
    output.message(_summary(influenced))


def _summary(influence: Influence) -> str:
    if not influence.traces:
        return "no answer is kept: retclip segment PHOTOS --trace"
    segments, photos = quantity(len(influence.segments), "segment"), quantity(influence.photos, "photo")
    answers = quantity(influence.traces, "kept answer")
    return f"took part in {segments} of {photos}, of {answers}; {len(influence.changed)} would be another class without"
