"""A row of a table in a world: the settings that run it, the store that it asks, and what stands in for its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retclip.config import merged
from retclip.reproduction.published import Base, PublishedRow, PublishedTable, System
from retclip.reproduction.worlds import World


@dataclass(frozen=True)
class StorePlan:
    """A store that rows ask. name: its folder's; address, settings: of its build."""

    name: str
    address: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A row with how it runs. test: the address it is judged on; store: None where it asks none."""

    row: PublishedRow
    settings: Mapping[str, Any]
    test: str
    store: StorePlan | None
    stand_ins: Mapping[str, str]


def cells_of(table: PublishedTable, world: World) -> tuple[Cell, ...]:
    """Return the cells of a table in a world, in its order."""
    return tuple(_cell(row, world) for row in table.rows)


def _cell(row: PublishedRow, world: World) -> Cell:
    backbone, masks = world.backbones[row.backbone], world.masks[row.masks]
    settings, store = merged(world.systems[row.system], backbone), None
    if row.base is not Base.NONE:
        photos = world.bases[row.base]
        builder = merged(merged(world.systems[BUILDERS[row.system]], backbone), photos.settings)
        name = f"{row.base}-{row.backbone}".replace(" ", "-").replace("/", "-").lower()
        settings, store = merged(settings, photos.settings), StorePlan(name, photos.address, builder)
    settings = merged(merged(settings, masks), row.settings)
    if row.weights is not None:
        names = ("alpha", "beta", "gamma")
        settings = merged(settings, {"ensemble": dict(zip(names, row.weights, strict=True))})
    parts = ("ADE20K val", row.base, row.backbone, row.masks)
    return Cell(row, settings, world.test, store, {str(p): world.stand_ins[p] for p in parts if p in world.stand_ins})


# Rows of one store differ in how they ask it, so that one system of each kind builds it for all.
BUILDERS = {
    System.RETCLIP: System.RETCLIP,
    System.RETRIEVAL: System.TRAINING_FREE,
    System.TRAINING_FREE: System.TRAINING_FREE,
}
