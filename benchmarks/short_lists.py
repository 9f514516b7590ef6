"""A short list of names on photos that show more: what is forced on the rest of them, and what stays without a label.

    python benchmarks/short_lists.py --data ../shared/data --out /tmp/short_lists [--only coco_panoptic] [--photos 20]

Preset `photos`. The training photos are halved, each half asked of a store of the other; nothing is tuned, and no
validation photo is touched. Each photo is asked twice for half of the classes that it shows, drawn, and two that it
does not. Without annotation, as a stranger asks. Prints the means over photos of four shares of the annotated pixels:
those that are right (asked: their name; not asked: no label), of what was asked those with their name, of what is
labelled those with their name, of what was not asked those without a label; with stored classes that were not asked
left out, competing as one whose votes are added up, and competing by the best of them (`segment.unasked`).
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from real_photos import PHOTOS, READERS, arguments, take_folder

import retclip
from retclip.data.source_view import SourceView
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import SourceImage
from retclip.types import Image
from retclip.workflows.segment import neighbours

FIGURES = ("right", "of the asked", "of the labelled", "of the rest")
NOT_ANNOTATED, NOT_ASKED = -2, -1
ADDED_UP = "added up"
WAYS = {"left out": "left out", ADDED_UP: "compete", "the best": "compete"}


def halves(address: str, most: int) -> list[CheckedSource]:
    """A source's photos, every other one in each half."""
    with retclip.open(None, preset=PHOTOS) as memory:
        source = memory.source(address)
        records = sorted(source.images(), key=lambda record: record.external_id)[:most]
    parts = (SourceView(source, records=records[number::2]) for number in (0, 1))
    return [CheckedSource(part, "half of a source", address) for part in parts]


def questions(image: Image, classes: list[str], seed: int) -> Iterator[list[str]]:
    """Two lists of names to ask a photo for."""
    shown = sorted({segment.class_name for segment in image.truth.segments}) if image.truth else []
    others = [name for name in classes if name not in shown]
    draw = random.Random(seed)
    for _ in range(2 if shown else 0):
        asked = [*draw.sample(shown, max(1, len(shown) // 2)), *draw.sample(others, min(2, len(others)))]
        draw.shuffle(asked)
        yield asked


def named(panoptic: retclip.PanopticSegmentation, asked: list[str], nothing: int) -> NDArray[np.int64]:
    """The index (H, W) of each pixel's class among those asked; `nothing` where no segment lies."""
    table = {segment.id: segment.class_name for segment in panoptic.segments}
    place = {name: number for number, name in enumerate(asked)}
    ids, inverse = np.unique(panoptic.label_map, return_inverse=True)
    indices = [place.get(table[int(number)], NOT_ASKED) if int(number) in table else nothing for number in ids]
    return np.array(indices)[inverse].reshape(panoptic.label_map.shape)


def shares(truth: NDArray[np.int64], found: NDArray[np.int64]) -> list[float]:
    """The four figures of the module for one photo, NaN where there is no such pixel."""
    known, right = truth != NOT_ANNOTATED, truth == found
    parts = known, truth >= 0, known & (found >= 0), truth == NOT_ASKED
    return [float(right[part].mean()) if part.any() else float("nan") for part in parts]


def asked_of(photos: CheckedSource, store: Path, way: str) -> list[list[float]]:
    """The figures of each question to the photos of one half."""
    rows = []
    with retclip.open(store, preset=PHOTOS, settings={"segment": {"unasked": WAYS[way]}}) as memory:
        classes = [each.name for each in photos.classes()]
        for number, record in enumerate(photos.images()):
            rows += [shares_of(memory, record, asked) for asked in questions(record.load(), classes, number)]
    return rows


def shares_of(memory: retclip.RetCLIP, record: SourceImage, asked: list[str]) -> list[float]:
    """The figures of one question."""
    image = record.load()
    if image.truth is None:
        raise SystemExit(f"{record.external_id} has no annotation")
    found = memory.segment(image, asked)
    return shares(named(image.truth, asked, NOT_ANNOTATED), named(found.panoptic, asked, NOT_ASKED))


def data_set(address: str, out: Path, most: int) -> dict[str, dict[str, float]]:
    """The mean figures of each way."""
    out.mkdir()
    parts = halves(address, most)
    for number, part in enumerate(parts):
        with retclip.open(out / f"store_{number}", preset=PHOTOS, create=True) as memory:
            memory.build(part)
    answers, apart = {}, neighbours.as_one_class
    for way in WAYS:
        pooled = {"side_effect": lambda near, first, count, _: apart(near, first, count, True)}
        with patch.object(neighbours, "as_one_class", **(pooled if way == ADDED_UP else {"side_effect": apart})):
            rows = [row for n, part in enumerate(parts) for row in asked_of(part, out / f"store_{1 - n}", way)]
        means = np.nanmean(np.array(rows), axis=0) * 100
        answers[way] = {"questions": len(rows), **dict(zip(FIGURES, means.tolist(), strict=True))}
        print(address, way, {name: round(value, 1) for name, value in answers[way].items()}, flush=True)
    return answers


def main() -> None:
    """Measure and write OUT/short_lists.json."""
    parser = arguments(__doc__, "/tmp/short_lists")
    parser.add_argument("--only", default="", choices=[*READERS], help="one data set")
    parser.add_argument("--photos", type=int, default=1000, help="at most so many of each")
    given = parser.parse_args()
    take_folder(given.out)
    found = {}
    for name, reader in READERS.items():
        if given.only in ("", name):
            shutil.rmtree(given.out / name, ignore_errors=True)
            found[name] = data_set(f"{reader}:{given.data / name}?split=train", given.out / name, given.photos)
    (given.out / "short_lists.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
