"""Ten photos with names that a person would give them: preset `photos` without a store, and with the starter memory.

    python benchmarks/own_photos.py --data ../shared/data/photos --out /tmp/own_photos

Writes OUT/index.html: each photo labelled by names alone, by the starter memory with the names forced on everything
(`segment.unasked` = left out), and by the starter memory as the preset has it: what is stored and was not asked for
competes. Nothing is annotated: the page is to be looked at.
OUT/own_photos.json has each class's share of each photo.
"""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from real_photos import PHOTOS, arguments, take_folder

import retclip
from retclip.data.inputs import as_image
from retclip.report.html_page import jpeg_address
from retclip.report.overlay import overlay
from retclip.report.result_summary import class_shares

NAMES = {
    "cat.jpg": "cat, dog, person, wall",
    "dogs.jpg": "dog, cat, person, floor, wall",
    "street.jpg": "person, motorcycle, car, truck, road, tree, building, sky",
    "cyclists.jpg": "person, bicycle, backpack, flag, road, tree, sky",
    "stop_sign.jpg": "stop sign, street sign, car, road, tree, sky",
    "astronaut.jpg": "person, flag, rocket, wall",
    "coffee.jpg": "cup, spoon, saucer, table, espresso",
    "rocket.jpg": "rocket, sky, smoke, tower",
    "china.jpg": "building, sky, tree, palace",
    "flower.jpg": "flower, leaf, daisy, grass",
}
FORCED = {"segment": {"unasked": "left out"}}
COLUMNS = {
    "names alone": (False, {}),
    "starter memory, names forced on everything": (True, FORCED),
    "starter memory": (True, {}),
}
WIDTH = 480  # pixels of a picture


def small(path: Path) -> Any:
    """Return a photo (H, W, 3) that is no wider than the page shows it."""
    with Pillow.open(path) as opened:
        photo = opened.convert("RGB")
        return as_image(
            photo if photo.width <= 1024 else photo.resize((1024, round(photo.height * 1024 / photo.width)))
        )


def column(store: Path | None, settings: dict[str, Any], photos: dict[str, Path]) -> dict[str, tuple[str, Any]]:
    """Return of each photo its picture and the share of each class, in percent."""
    answers = {}
    with retclip.open(store, preset=PHOTOS, settings=settings) as memory:
        for file, path in photos.items():
            names = [name.strip() for name in NAMES[file].split(",")]
            image = small(path)
            result = memory.segment(image, names)
            shares = {one.name: round(100 * one.share, 1) for one in class_shares(result.panoptic)}
            answers[file] = (jpeg_address(overlay(image.pixels, result.panoptic, names=names)), shares)
            print(file, shares, flush=True)
    return answers


def page(columns: dict[str, dict[str, tuple[str, Any]]]) -> str:
    """Return the page: a row for each photo, a column for each way."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    rows = [
        f"<tr><td colspan={len(columns)}><b>{html.escape(file)}</b>: {html.escape(NAMES[file])}</td></tr><tr>"
        + "".join(f'<td><img width={WIDTH} src="{answers[file][0]}"></td>' for answers in columns.values())
        + "</tr>"
        for file in next(iter(columns.values()))
    ]
    title = "Ten photos, names of a person's own"
    top = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
    return f"{top}<table><tr>{head}</tr>{''.join(rows)}</table>"


def main() -> None:
    """Label the photos in each way and write the page."""
    given = arguments(__doc__, "/tmp/own_photos", "../shared/data/photos").parse_args()
    photos = {file: given.data / file for file in NAMES if (given.data / file).is_file()}
    if missing := sorted(NAMES.keys() - photos.keys()):
        got = f"no {', '.join(missing)} in {given.data}"
        raise SystemExit(f"expected {len(NAMES)} photos; got {got}; name their folder (--data)")
    take_folder(given.out)
    store = given.out / "store"
    shutil.rmtree(store, ignore_errors=True)
    with retclip.open(store, preset=PHOTOS, create=True) as memory:
        memory.classes.import_("starter")
    columns = {
        name: column(store if stored else None, settings, photos) for name, (stored, settings) in COLUMNS.items()
    }
    (given.out / "index.html").write_text(page(columns), encoding="utf-8")
    shares = {name: {file: answer[1] for file, answer in answers.items()} for name, answers in columns.items()}
    (given.out / "own_photos.json").write_text(json.dumps(shares, indent=1), encoding="utf-8")
    print(given.out / "index.html")


if __name__ == "__main__":
    main()
