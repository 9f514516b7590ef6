"""`retclip store add-space | spaces | reject`: the feature spaces of a store, and negative examples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.errors import ConfigError
from retclip.quantities import quantity

if TYPE_CHECKING:
    from retclip.session import Components
    from retclip.store.records import SpaceState
    from retclip.workflows.building.add_space import AddSpaceReport

app = typer.Typer(help="The segments and feature spaces of a store.", no_args_is_help=True)

Accept = Annotated[
    bool, typer.Option("--accept-failed", help="Let segments whose photo cannot be used go without a vector.")
]


@app.command("add-space")
@options.spread
def add_space(
    at: options.Catalog,
    backbone: options.Backbone = None,
    accept_failed: Accept = False,
    preset: options.Preset = None,
    settings: options.Set = None,
) -> None:
    """Add another backbone's vectors of what is stored, from its photos and masks; the others stay as they are. Run it
    again to go on, and to make up for segments that were stored since. Ctrl-C is safe."""
    flags = options.Models(preset=preset, settings=settings).flags()

    def required(components: Components) -> None:
        section = components.settings.components
        info = components.manager.find("backbone", backbone or section.keys or section.backbone)
        components.manager.require_weights([info], components.settings.of_component)

    with options.opened(at.store, at.config, flags, required=required) as memory:
        with output.told_when_stopped(), ProgressLine() as line:
            report = memory.spaces.add(backbone, accept_failed, line)
        left = next(state for state in memory.spaces.list() if state.space.id == report.space)
    listing = output.write_failures(at.store / "failures.csv", report.failures)
    if at.json:
        output.data(asdict(report))
    output.message(
        f"run {report.run}: {report.segments} vectors of {left.space.backbone} from {report.images} images; "
        f"{left.segments} of {left.total} segments have one, {left.lacking} lack it, {left.without} go without; "
        f"{len(report.failures)} failed"
    )
    _exit(report, left, listing)


@app.command("reject")
@options.spread
def reject(
    segments: Annotated[list[str], typer.Argument(help="Ids of stored segments, or their beginnings; then the class.")],
    at: options.Catalog,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the history.")] = "",
    take_back: Annotated[bool, typer.Option("--take-back", help="It is not said any more.")] = False,
) -> None:
    """Say that a stored segment is not of a class: SEGMENT... NAME. It keeps its own label, and counts against the
    class: of that class's segments only those vote that are nearer to a mask, and only where two are. Undone like any
    other change."""
    *ids, name = segments
    if not ids:
        raise ConfigError("segments and a class: SEGMENT... NAME", repr(name), "name both, the class last")
    with options.catalog(at) as memory:
        edit = memory.reject(ids, name, why, take_back)
    if at.json:
        output.data(asdict(edit))
    said = "no longer said not to be" if take_back else "negative examples of"
    output.message(
        f"{quantity(edit.segments, 'segment')} {said} {name}; to go back: retclip undo {edit.event} --store {at.store}"
    )


@app.command("spaces")
@options.spread
def spaces(at: options.Catalog) -> None:
    """The backbones whose vectors the store holds, and how many segments have one, lack it, or go without."""
    with options.catalog(at) as memory:
        states, index = memory.spaces.list(), memory.store.options.index
    if at.json:
        output.data([_as_dict(state, index) for state in states])
        return
    columns = ("backbone", "weights", "dim", "segments", "lacking", "without", "complete", "index", "space")
    rows = [
        (
            state.space.backbone, state.space.weights[:12], state.space.dim, state.segments, state.lacking,
            state.without, "yes" if state.complete else "no", f"{index} {state.index}", state.space.id,
        )
        for state in states
    ]  # fmt: skip
    output.table(f"feature spaces of {at.store}", columns, rows)


def _as_dict(state: SpaceState, index: str) -> dict[str, Any]:
    counted = {key: getattr(state, key) for key in ("segments", "lacking", "without", "total", "complete", "pending")}
    return {"id": state.space.id, **asdict(state.space), **counted, "index": {"kind": index, "name": state.index}}


def _exit(report: AddSpaceReport, left: SpaceState, listing: Path) -> None:
    todo = f"see {listing}"
    if left.lacking:
        todo += "; repair the photos and repeat, or let their segments go without a vector: --accept-failed"
    output.require_usable(report.failures, todo, left.segments > 0, "every photo and mask")
