"""`retclip store add-space | spaces`: several feature spaces in one store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.catalog import open_catalog
from retclip.cli.progress import ProgressLine
from retclip.errors import DataError, PartialFailure

if TYPE_CHECKING:
    from retclip.components import Components
    from retclip.engine import RetCLIP
    from retclip.store.records import SpaceState
    from retclip.workflows.building.add_space import AddSpaceReport

app = typer.Typer(help="The feature spaces of a store.", no_args_is_help=True)

Accept = Annotated[
    bool, typer.Option("--accept-failed", help="Let segments whose photo cannot be used go without a vector.")
]


@app.command("add-space")
def add_space(
    backbone: options.Backbone = None,
    store: options.Store = options.DEFAULT_STORE,
    accept_failed: Accept = False,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Add another backbone's vectors of what is stored, from its photos and masks; the others stay as they are. Run it
    again to go on, and to make up for segments that were stored since. Ctrl-C is safe."""
    from retclip.config import find_file

    def found(components: Components) -> str:
        chosen = components.settings.components
        info = components.manager.find("backbone", backbone or chosen.keys or chosen.backbone)
        components.manager.require_weights([info], components.settings.of_component)
        return info.full_name

    given, base = options.flags(settings, preset), find_file(store, config)
    with options.opened(store, config, given, required=found) as retclip:
        name = found(retclip.components)
        if retclip.store.spaces.first() is not None:
            _write_settings(retclip, name, store, base)
        report = _with_progress(retclip, name, accept_failed)
        left = next(one for one in retclip.store.spaces.all() if one.space.id == report.space)
    listing = output.write_failures(store / "failures.csv", report.failures)
    if json:
        from dataclasses import asdict

        output.data(asdict(report))
    output.message(
        f"run {report.run}: {report.segments} vectors of {left.space.backbone} from {report.images} images; "
        f"{left.segments} of {left.total} segments have one, {left.lacking} lack it, {left.without} go without; "
        f"{len(report.failures)} failed"
    )
    _exit(report, left, listing)


@app.command("spaces")
def spaces(
    store: options.Store = options.DEFAULT_STORE, config: options.Config = None, json: options.Json = False
) -> None:
    """The backbones whose vectors the store holds, and how many segments have one, lack it, or go without."""
    with open_catalog(store, config) as opened:
        found, index = opened.spaces.all(), opened.options.index
    if json:
        output.data([_as_dict(one, index) for one in found])
        return
    columns = ("backbone", "weights", "dim", "segments", "lacking", "without", "complete", "index", "space")
    rows = [
        (
            one.space.backbone, one.space.weights[:12], one.space.dim, one.segments, one.lacking, one.without,
            "yes" if one.complete else "no", f"{index} {one.index}", one.space.id,
        )
        for one in found
    ]  # fmt: skip
    output.table(f"feature spaces of {store}", columns, rows)


def _as_dict(one: SpaceState, index: str) -> dict[str, Any]:
    from dataclasses import asdict

    counted = {key: getattr(one, key) for key in ("segments", "lacking", "without", "total", "complete", "pending")}
    return {"id": one.space.id, **asdict(one.space), **counted, "index": {"kind": index, "name": one.index}}


def _with_progress(retclip: RetCLIP, name: str, accept_failed: bool) -> AddSpaceReport:
    with output.told_when_stopped(), ProgressLine() as line:
        return retclip.add_space(name, accept_failed, line)


def _write_settings(retclip: RetCLIP, name: str, store: Path, base: Path | None) -> None:
    """Later commands must find with `--backbone` alone what the vectors were made with. Where another space is of the
    same backbone, one of the two must be asked with its flags."""
    from retclip.cli.settings_file import write_settings

    retclip.manager.require_weights([retclip.manager.find("backbone", name)], retclip.settings.of_component)
    mine = retclip.component("backbone", name).thing.space  # what cannot be loaded must not be written down
    others = [one.space for one in retclip.store.spaces.all() if one.space.id != mine.id]
    given = retclip.settings.of_component(name)
    if any(one.backbone == mine.backbone for one in others):
        output.message(f"the store holds several spaces of {name}: ask this one with the same --set flags")
        return
    if not given:
        return
    plugin, component = name.split(".", 1)
    earlier = write_settings(store, {"plugin": {plugin: {component: given}}}, base)
    if earlier:
        output.message(f"wrote the settings of {name} into {store / 'retclip.toml'}; as it was: {earlier.name}")


def _exit(report: AddSpaceReport, left: SpaceState, listing: Path) -> None:
    if not report.failures:
        return
    todo = f"see {listing}"
    if left.lacking:
        todo += "; repair the photos and repeat, or let their segments go without a vector: --accept-failed"
    kind = PartialFailure if left.segments else DataError
    raise kind(
        "every photo and mask to be usable", f"{len(report.failures)} failures, first {report.failures[0]}", todo
    )
