"""`retclip class export | import`: classes from store to store, without photos."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.build import run_with_progress
from retclip.errors import ConfigError, DataError, PartialFailure
from retclip.quantities import some

if TYPE_CHECKING:
    from retclip.workflows.exchange.import_report import ClassesMet, ImportReport

SHOWN = 8  # classes in a line of text


@options.spread
def export(
    names: Annotated[list[str], typer.Argument(metavar="NAME... FILE", help="Classes, and the file to write (.zip).")],
    at: options.Catalog,
    every: Annotated[bool, typer.Option("--all", help="Every class that has a segment.")] = False,
    backbone: Annotated[
        str | None, typer.Option(help="Whose vectors, where the store holds several spaces (default: the first's).")
    ] = None,
) -> None:
    """Write classes into a class file, which `retclip class import` reads: segments, labels, masks, vectors and where
    they come from; no photos."""
    *classes, file = names
    if every == bool(classes):
        got = f"--all and {', '.join(classes)}" if every else f"only {file}"
        raise ConfigError(
            "names of classes, or --all, and a file", got, "write e.g.: retclip class export cat cats.zip"
        )
    with options.catalog(at) as memory:
        done = memory.classes.export(file, None if every else classes, backbone)
    if at.json:
        output.data(done.as_dict())
    negatives = f", {done.negatives} of them negative examples," if done.negatives else ""
    lacking = f"; {done.lacking} segments without a vector left out" if done.lacking else ""
    output.message(
        f"{done.file}: {done.segments} segments{negatives} of {len(done.classes)} classes from {done.photos} photos, "
        f"{done.size / 1000:.0f} kB{lacking}; vectors of {done.space.backbone} (space {done.space.id}); "
        f"sha256 {done.sha256}"
    )


@options.spread
def import_classes(
    file: Annotated[str, typer.Argument(help="A class file, or the name of one that a plugin brings.")],
    at: options.Catalog,
    photos: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Its photos, where they are at hand: reader:path, a folder.")
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Make the vectors anew from --photos with the store's own backbone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be stored; write nothing.")] = False,
    backbone: options.Backbone = None,
    preset: options.Preset = None,
    settings: options.Set = None,
) -> None:
    """Store the segments of a class file that are not there yet; what is there stays as it is. Ctrl-C is safe."""
    flags = options.Models(backbone=backbone, preset=preset, settings=settings).flags()
    started = time.monotonic()
    with options.opened(at.store, at.config, flags) as memory:
        done = run_with_progress(
            lambda line: memory.classes.import_(file, photos, recompute, dry_run, on_progress=line)
        )
    listing = output.write_failures(at.store / "failures.csv", done.failures)
    if at.json:
        output.data(done.as_dict())
    _say(done, at.store, time.monotonic() - started, photos is not None)
    _exit(done, listing)


def _say(done: ImportReport, store: Path, seconds: float, looked: bool) -> None:
    verb = "would be stored" if done.dry_run else "stored"
    counts = f"{done.segments} segments of {len(done.per_class)} classes from {done.photos} photos {verb}"
    more = {
        "are negative examples from now on": done.negatives, "were there already": done.present,
        "are being stored by another process": done.elsewhere,
        "not stored, for their photo is not at hand": done.without_photo,
        "dropped, for their mask meets no cell of the backbone": done.dropped,
    }  # fmt: skip
    left = "".join(f"; {count} {what}" for what, count in more.items() if count)
    output.message(f"{done.file}: {counts}{left} ({seconds:.1f} s)")
    if looked:
        output.message(f"photos: {done.photos_found} found, {done.photos_missing} not found")
    _say_classes(done.classes)
    if done.event is not None:
        output.message(f"to go back: retclip undo {done.event} --store {store}")


def _say_classes(met: ClassesMet) -> None:
    if met.new:
        output.message(f"new: {some(met.new, SHOWN)}")
    if met.joined:
        joined = [mine if mine == theirs else f"{theirs} (as {mine})" for theirs, mine in met.joined.items()]
        output.message(f"the store has already, and they are joined: {some(joined, SHOWN)}")
    for synonym, theirs, mine in met.taken[:SHOWN]:
        output.message(f"{synonym!r}, in the file another name of {theirs!r}, stays a name of {mine!r}")
    if met.kinds:
        output.message(
            f"thing or stuff otherwise than the file says, as this store said first: {some(met.kinds, SHOWN)}"
        )


def _exit(done: ImportReport, listing: Path) -> None:
    """Raise where something of the file could not be stored."""
    if done.failures or done.without_photo:
        first = f", first {done.failures[0]}" if done.failures else ""
        got = f"{done.without_photo} segments without a usable photo{first}"
        todo = f"see {listing}" if done.failures else "name the source that has their photos: --photos"
        kind = PartialFailure if done.segments or done.present else DataError
        raise kind("every photo of the file to be at hand and usable", got, todo)
