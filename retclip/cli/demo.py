"""`retclip demo`: real photos, then the whole method in a drawn world, with models that ship: nothing is downloaded.

Scenes are drawn by `miniature.scenes`; CLIP and mask proposer are the miniature's, trained by this project. Half of the
classes of things were never seen by the fine-tuning. Read next: `demo_photos.py`, `demo_steps.py`.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.errors import PluginUnavailable, WeightsMissing
from retclip.own_files import claim_folder

if TYPE_CHECKING:
    from retclip.cli.demo_steps import Demo

STORED, SHOWN, PICTURES = 60, 30, 3  # scenes in the store, scenes segmented, pictures of the added class
KIND = "demo"  # what its folder is marked as
MADE = (
    "store",
    "scenes",
    "pictures",
    "explanation.png",
    "index.html",
    "photo_store",
    "photos",
    "crops",
    "photo_why.png",
    "photo_pictures",
)  # in its folder; what else is there stays


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the store, the pictures and the page.")] = Path(
        "demo_out"
    ),
    json: options.Json = False,
) -> None:
    """Build a store, segment scenes with CLIP, with retrieval and with both, add a class from three pictures, explain a
    label; writes pictures and one page."""
    started = time.monotonic()
    _empty(out)
    from retclip.cli.demo_steps import Demo

    photos = _photos(out)
    values = {"photos": photos, **_run(Demo(out, STORED, SHOWN, PICTURES))}
    values["seconds"] = round(time.monotonic() - started)
    from retclip.report.html_page import write_page

    write_page(out / "index.html", "demo.html", values)
    if json:
        figures = {key: values[key] for key in ("table", "comparison", "addition", "seconds", "stored")}
        output.data({"page": str(out / "index.html"), **figures})
    for sentence in (values["comparison"], values["addition"]):
        output.message(sentence)
    output.message(f"done in {values['seconds']} s: open {out / 'index.html'}; then, for instance:")
    for command in values["next"]:
        output.message(f"  {command.line}")


def _photos(out: Path) -> dict[str, Any] | None:
    """The part on real photos, and None, which is said, where its network or its photos are not installed."""
    from retclip.cli.demo_photos import PhotoDemo

    output.message("labelling real photos: with names alone, with the starter memory, with a class added from crops")
    try:
        return PhotoDemo(out).values()
    except (PluginUnavailable, WeightsMissing) as error:
        output.message(f"no real photos: {error}")
        return None


def _run(steps: Demo) -> dict[str, Any]:
    """Every step of the demo; what the page shows."""
    from retclip.cli import demo_page
    from retclip.cli.demo_steps import ADDED, OURS, THEIRS

    output.message(f"building a store from {STORED} scenes, without {ADDED!r}")
    stored = steps.build()
    table = []
    for name in steps.systems:
        row = steps.evaluate(name)
        table.append(row)
        output.message(f"  {name}: PQ {row['pq']:.1f}, mIoU {row['miou']:.1f}, unseen mIoU {row['unseen_miou']:.1f}")
    before = steps.segment(OURS)
    output.message(f"adding {ADDED!r} from {PICTURES} pictures")
    clock = time.monotonic()
    segments, event = steps.add()
    seconds = time.monotonic() - clock
    after = {name: steps.segment(name) for name in steps.systems}
    pictures = steps.pictures(before, after)
    return {
        "stored": stored,
        "stored_images": STORED,
        "scenes": SHOWN,
        "added": ADDED,
        "added_pictures": PICTURES,
        "added_segments": segments,
        "added_seconds": f"{seconds:.1f}",
        "table": table,
        "columns": demo_page.COLUMNS,
        "best": demo_page.best_of(table),
        "comparison": demo_page.comparison(table, OURS, THEIRS),
        "next": demo_page.next_commands(steps.out, pictures["photo"], ADDED, event, pictures["at"]),
        **pictures,
    }


def _empty(out: Path) -> None:
    """Start anew, without what an earlier demo made. Raises ConfigError for a folder that no demo made."""
    claim_folder(out, KIND)
    for place in (out / name for name in MADE):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
