"""Class means and k-means beside the vote, or in its place, on real photos: CamVid and COCO.

    python benchmarks/taught_photos.py --data ../shared/data --out /tmp/taught_photos

As `taught.py`, with the presets that need no published weights. Stores are of the training photos, the validation
photos are asked: by `photos` as it builds and asks, without their annotation; by `appearance` with annotated masks in
store and question. In `photos` prototypes stand beside the vote alone, for the weight of retrieval there is the
certainty of the vote. `retrieval.fitted` is not measured: it needs a text tower, which neither preset has. Settings are
the defaults; nothing is chosen. Changes against the vote are paired, with 95 % intervals over the photos.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from methods import DRAWINGS
from real_photos import ANNOTATED, APPEARANCE, PHOTOS, READERS, arguments, take_folder
from taught import MEANS, VOTE, beside, instead, measured

import retclip
from retclip.workflows.evaluation.paired_differences import Difference, paired_differences

SHOWN = {"PQ": "pq", "mIoU": "miou", "pixels right": "pixel_accuracy"}
ROWS = {PHOTOS: beside(MEANS), APPEARANCE: {**beside(MEANS), **instead(MEANS)}}
SETTINGS: dict[str, dict[str, Any]] = {
    PHOTOS: {},
    APPEARANCE: {"components": {"proposer": ANNOTATED}, "build": {"proposer": ANNOTATED}},
}
Answers = dict[str, dict[str, Difference]]


def compared(address: str, store: Path, preset: str) -> Answers:
    """Every row as its differences from the vote."""
    with retclip.open(store, create=True, preset=preset, settings=SETTINGS[preset]) as memory:
        memory.build(f"{address}?split=train")
        folder = store.with_name(f"{store.name}_scores")
        _, tables = measured(memory, f"{address}?split=val", folder, MEANS, ROWS[preset])
    answers = {}
    for row, counts in tables.items():
        found = paired_differences(tables[VOTE], counts, {"all": None}, DRAWINGS, 0)["all"]
        answers[row] = {words: next(each for each in found if each.figure == key) for words, key in SHOWN.items()}
    return answers


def lines(name: str, answers: Answers) -> str:
    """The differences as lines of Markdown."""
    told = []
    for row, figures in answers.items():
        cells = [f"{each.second or 0:.1f}" for each in figures.values()]
        if row != VOTE:
            ends = [
                f"{each.change or 0:+.1f}: {each.low or 0:+.1f} to {each.high or 0:+.1f}" for each in figures.values()
            ]
            cells = [f"{figure} ({change})" for figure, change in zip(cells, ends, strict=True)]
        told.append(f"| {name} | {row} | {' | '.join(cells)} |")
    return "\n".join(told)


def main() -> None:
    """Run everything and write it down."""
    given, found = arguments(__doc__, "/tmp/taught_photos").parse_args(), {}
    take_folder(given.out)
    print(f"| preset, data | retrieval scores | {' | '.join(SHOWN)} |\n|---|---|{'---|' * len(SHOWN)}")
    for preset in ROWS:
        for name, reader in READERS.items():
            answers = compared(f"{reader}:{given.data / name}", given.out / f"{preset}_{name}", preset)
            print(lines(f"`{preset}`, {name}", answers), flush=True)
            found[f"{preset} {name}"] = {
                row: {words: each.as_dict() for words, each in figures.items()} for row, figures in answers.items()
            }
    (given.out / "taught_photos.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
