"""Fills a table of the paper cell by cell, by the builds and evaluations of `retclip build` and `retclip evaluate`.

    OUT/stores/NAME            stores; several rows and tables ask the same one
    OUT/table-1/ROW/run.json   each cell's evaluation; ROW.json beside it says what was run
    OUT/table-1.json, .md, .html   the filled table

Killed and started again, finished cells are read, a begun evaluation goes on behind its last image, a begun build
behind its last commit. What is missing is told before anything is computed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip._version import __version__
from retclip.config import merged
from retclip.data.class_entries import read_entries
from retclip.data.class_names import NameSettings, names_digest
from retclip.data.source_address import parse_address
from retclip.documents import read_json
from retclip.errors import ConfigError, DataError, PartsMissing
from retclip.escaping import json_text
from retclip.own_files import claim_folder, require_own_folder, write_json
from retclip.progress import OnProgress, Progress, silent
from retclip.reproduction.cells import Cell, StorePlan, cells_of
from retclip.reproduction.data_sets import ADE20K_CLASSES, ADE20K_NAMES
from retclip.reproduction.missing_parts import MissingPart, missing_for, missing_parts, names_left_out
from retclip.reproduction.published import FIGURES, PublishedTable, table_named
from retclip.reproduction.reproduction import CellResult, Reproduction, reproduction_of
from retclip.reproduction.worlds import PAPER, Places, Sizes, world_named

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND, SETTINGS, RUN = "reproduction", "retclip.toml", "run.json"
SETTINGS_NOTE = "# Settings of every cell, below those of its row: device, weights, limits.\n"


def reproduce(  # noqa: PLR0913  (the options of the command, each by its name)
    table: str,
    on: str = PAPER,
    out: str | PathLike[str] = "reproduced",
    partial: bool = False,
    *,
    ade20k: str | PathLike[str] = Places.ade20k,
    open_images: str | PathLike[str] = Places.open_images,
    names: str | PathLike[str] | None = None,
    scenes: int = Sizes.scenes,
    stored: int = Sizes.stored,
    settings: Mapping[str, Any] | None = None,
    on_progress: OnProgress = silent,
) -> Reproduction:
    """Fill a table of the paper, and write it into `out`.

    table: table-1, table-2, table-3, table-4, or choices, what this project does otherwise than the paper's formula.
    on: paper, its own data and models; miniature, the drawn world with stand-ins.
    out: a folder of ours; what was finished there is not run again.
    partial: run the rows for which everything is here, instead of none where something is missing.
    ade20k, open_images: the folders of the paper's data sets.
    names: a list of the names that ADE20K's 150 classes are asked by, FC-CLIP's own; None = those of the JSON.
    scenes, stored: of the drawn world, how many are judged, and how many are in each store.
    settings: nested, above those of every row: device, weights.
    Raises DataError for a list of names that cannot be read or has not 150; PartsMissing, with the complete list,
    before anything is computed; ConfigError for an unknown table, and for a folder of another reproduction; and what
    builds and evaluations raise.
    """
    facts, folder = table_named(table), Path(out).absolute()
    require_own_folder(folder, KIND)
    listed = None if names is None else _of_ade20k(Path(names))
    world = world_named(on, folder, Places(Path(ade20k), Path(open_images), listed), Sizes(scenes, stored))
    cells = [_with(cell, settings or {}) for cell in cells_of(facts, world)]
    needed = missing_parts(cells)
    missing = (*needed, *names_left_out(world, listed))
    if needed and (not partial or all(missing_for(cell, needed) for cell in cells)):
        raise parts_missing(reproduction_of(facts, world, [unfilled(cell, missing) for cell in cells], missing))
    claim_folder(folder, KIND)
    if not (folder / SETTINGS).exists():
        (folder / SETTINGS).write_text(SETTINGS_NOTE, encoding="utf-8")
    results, images = list[CellResult](), 0
    for number, cell in enumerate(cells, 1):
        if missing_for(cell, missing):
            results.append(unfilled(cell, missing))
            continue
        on_progress(Progress(table, message=f"{table} {number}/{len(cells)}: {cell.row.said}"))
        figures = _filled(cell, folder, facts, on_progress)
        results.append(_result(cell, figures, folder / facts.name / cell.row.name))
        images = max(images, int(figures["images"]))
    reproduction = reproduction_of(facts, world, results, missing, images)
    _write(reproduction, folder)
    return reproduction


def _of_ade20k(names: Path) -> Path:
    """Return the list of names. Raises DataError where it cannot be read, or has another number of classes."""
    listed = len(read_entries(names))
    if listed != ADE20K_CLASSES:
        todo = f"name {ADE20K_NAMES}, or a list like it"
        raise DataError(f"a line for each of ADE20K's {ADE20K_CLASSES} classes in {names}", f"{listed}", todo)
    return names


def parts_missing(reproduction: Reproduction) -> PartsMissing:
    """Return the error for a table of which parts are missing; it carries the unfilled table."""
    several = [part for part in reproduction.missing if part.rows]
    names = "; ".join(f"{part.kind} {part.name}" for part in several)
    todo = "see the list: how to get each, and where it goes; --partial runs the rows that lack nothing, "
    error = PartsMissing(
        f"everything that {reproduction.table} needs on this machine", f"{len(several)} parts missing: {names}",
        f"{todo}--on miniature runs the same grid on drawn scenes",
    )  # fmt: skip
    error.reproduction = reproduction
    return error


def unfilled(cell: Cell, missing: Sequence[MissingPart]) -> CellResult:
    """Return a cell that did not run, with what it lacks."""
    return _result(cell, {}, None, tuple(part.name for part in missing_for(cell, missing)))


def _with(cell: Cell, settings: Mapping[str, Any]) -> Cell:
    """Return the cell with further settings on top, also of its store."""
    store = cell.store and replace(cell.store, settings=merged(cell.store.settings, settings))
    return replace(cell, settings=merged(cell.settings, settings), store=store)


def _filled(cell: Cell, folder: Path, table: PublishedTable, on_progress: OnProgress) -> Mapping[str, Any]:
    """Return the figures of a cell, run now or finished before. Raises ConfigError where another cell lies there."""
    place = folder / table.name / cell.row.name
    _claim_plan(place.with_name(f"{place.name}.json"), cell)
    if not (place / RUN).exists():
        store = None if cell.store is None else _built(cell.store, folder, on_progress)
        from retclip.engine import RetCLIP

        with RetCLIP.open(store, folder / SETTINGS, cell.settings, missing_ok=True) as memory:
            memory.evaluate(cell.test, on_progress=on_progress, out=place)
    figures: Mapping[str, Any] = read_json(place / RUN, "run of an evaluation")["figures"]
    return figures


def _built(plan: StorePlan, folder: Path, on_progress: OnProgress) -> Path:
    """Return the folder of a store, built now or before. A finished build leaves NAME.json beside it."""
    store = folder / "stores" / plan.name
    note, content = store.with_name(f"{plan.name}.json"), _plan(plan)
    if note.exists():
        _require_same(note, content)
        return store
    from retclip.engine import RetCLIP

    store.parent.mkdir(exist_ok=True)
    with RetCLIP.open(store, folder / SETTINGS, plan.settings, create=True) as memory:
        memory.build(plan.address, on_progress=on_progress)
    write_json(note, content)
    return store


def _claim_plan(note: Path, cell: Cell) -> None:
    content = {**_plan(cell), "row": cell.row.name}
    if note.exists():
        _require_same(note, content)
        return
    note.parent.mkdir(exist_ok=True)
    write_json(note, content)


def _plan(planned: Cell | StorePlan) -> dict[str, Any]:
    """Return what decides the figures of a cell, or the segments of a store, as plain data."""
    address = planned.test if isinstance(planned, Cell) else planned.address
    named = NameSettings.model_validate({"names": parse_address(address)[1].get("names", "")})  # readers of ours alone
    plan = {**asdict(planned), "names": names_digest(named), "retclip": __version__}
    return {key: value for key, value in plan.items() if key not in ("row", "stand_ins")}


def _require_same(note: Path, content: Mapping[str, Any]) -> None:
    if read_json(note, "plan of a reproduction") != _plain(content):
        todo = "choose a new --out, or run it as before: the file says how"
        raise ConfigError(f"what was begun in {note}", "other settings, data or sizes, or another version", todo)


def _plain(content: Mapping[str, Any]) -> Any:
    """Return what a file of this content is read as."""
    return json.loads(json_text(content))


def _result(cell: Cell, figures: Mapping[str, Any], place: Path | None, lacks: tuple[str, ...] = ()) -> CellResult:
    row, unseen = cell.row, figures.get("groups", {}).get("unseen", {})
    ours, of_unseen = ({key: table[key] for key in FIGURES if key in table} for table in (figures, unseen))
    return CellResult(
        name=row.name, said=row.said, baseline=row.baseline, published=dict(row.published), ours=ours,
        unseen=of_unseen, lacks=lacks, stand_ins=cell.stand_ins, failed=len(figures.get("failures", ())),
        folder="" if place is None else str(place),
    )  # fmt: skip


def _write(reproduction: Reproduction, folder: Path) -> None:
    from retclip.report.reproduction_page import write_reproduction

    write_reproduction(reproduction, folder / reproduction.table)
