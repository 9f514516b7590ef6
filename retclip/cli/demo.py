"""`retclip demo`: the whole method in a minute with the models that ship with the project: no network, no download.

Scenes are drawn by `miniature.scenes`; CLIP and mask proposer are the miniature's, trained by this project. Half of the
classes of things were never seen by the fine-tuning. Read next: `demo_steps.py`.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.cli.demo_steps import Demo

STORED, SHOWN, PICTURES = 60, 30, 3  # scenes in the store, scenes segmented, pictures of the added class
MARK = ".retclip-demo"  # so that only a folder of our own is ever emptied


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
    from retclip.cli.demo_steps import ADDED, Demo

    values = _run(Demo(out, STORED, SHOWN, PICTURES), ADDED)
    values["seconds"] = round(time.monotonic() - started)
    from retclip.report.html_page import write_page

    write_page(out / "index.html", "demo.html", values)
    if json:
        told = {key: values[key] for key in ("table", "seconds", "stored")}
        output.data({"page": str(out / "index.html"), **told})
    output.message(f"done in {values['seconds']} s: open {out / 'index.html'}")


def _run(steps: Demo, added: str) -> dict[str, Any]:
    """Every step of the demo; what the page shows."""
    output.message(f"building a store from {STORED} scenes, without {added!r}")
    stored = steps.build()
    table = []
    for name in steps.systems:
        row = steps.evaluate(name)
        table.append(row)
        output.message(f"  {name}: PQ {row['pq']:.1f}, mIoU {row['miou']:.1f}, unseen mIoU {row['unseen_miou']:.1f}")
    before = steps.segment("RetCLIP")
    output.message(f"adding {added!r} from {PICTURES} pictures")
    clock = time.monotonic()
    segments = steps.add()
    seconds = time.monotonic() - clock
    after = {name: steps.segment(name) for name in steps.systems}
    return {
        "stored": stored,
        "stored_images": STORED,
        "scenes": SHOWN,
        "added": added,
        "added_pictures": PICTURES,
        "added_segments": segments,
        "added_seconds": f"{seconds:.1f}",
        "table": table,
        **steps.pictures(before, after),
    }


def _empty(out: Path) -> None:
    """Start anew, but never empty a folder that this command did not make. Raises ConfigError."""
    from retclip.data.images import make_folder

    if out.is_dir() and any(out.iterdir()) and not (out / MARK).exists():
        raise ConfigError("a new folder, or one of an earlier demo", f"{out}, which holds other files", "choose --out")
    shutil.rmtree(out, ignore_errors=True)
    make_folder(out)
    (out / MARK).touch()
