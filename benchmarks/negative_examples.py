"""Negative examples on the miniature: five for each of the two classes that are most often confused.

    python benchmarks/negative_examples.py --out /tmp/negatives [--stored 300] [--chosen 300] [--shown 200]

A store of annotated scenes (split=store). On other scenes (split=val) the pair of classes with most confused pixels is
looked up, and of these scenes up to five segments of each that were taken for the other are added by `class add NAME
--not --masks`: nothing of the test is seen. Then scenes that nothing was chosen on (split=test) are evaluated before
and after: the pixels of the pair that are taken for each other, and the IoU of every class. Writes
OUT/negative_examples.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from real_photos import command, take_folder

import retclip
from retclip.algorithms.bootstrap import drawings, percentile_interval

EXAMPLES = 5


def confused_pair(mistakes: list[dict[str, Any]]) -> tuple[str, str]:
    """The two classes that are most often taken for each other, by pixels both ways."""
    both: dict[tuple[str, str], int] = {}
    for one in mistakes:
        if one["predicted"] is None:
            continue
        pair = tuple(sorted((one["annotated"], one["predicted"])))
        both[pair] = both.get(pair, 0) + one["pixels"]
    return max(both, key=lambda pair: both[pair])


def examples(memory: retclip.RetCLIP, scenes: str, pair: tuple[str, str], out: Path) -> dict[str, Path]:
    """Photos and masks of segments that were taken for the other class, by the class that they are not of."""
    words, found = memory.prepare(names_of(memory, scenes)), dict.fromkeys(pair, 0)
    folders = {name: out / name.replace(" ", "_") for name in pair}
    for record in memory.source(scenes).images():
        if min(found.values()) >= EXAMPLES:
            break
        photo = record.load()
        if not {info.class_name for info in photo.truth.segments} & set(pair):
            continue
        result = memory.segment(photo, words)
        names = np.array(["", *(info.class_name for info in result.segments)], dtype=object)
        numbers = np.searchsorted([0, *(info.id for info in result.segments)], result.label_map)
        for info in photo.truth.segments:
            other = pair[1 - pair.index(info.class_name)] if info.class_name in pair else None
            if other is None or found[other] >= EXAMPLES:
                continue
            inside = photo.truth.label_map == info.id
            if (names[numbers[inside]] == other).mean() > 0.5:
                for kind, pixels in (("photos", photo.pixels), ("masks", inside.astype(np.uint8) * 255)):
                    folder = folders[other] / kind
                    folder.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(folder / f"{found[other]}.png")
                found[other] += 1
    return {name: folder for name, folder in folders.items() if found[name]}


def taken_for(store: str, preset: str, scenes: str, pair: tuple[str, str]) -> NDArray[np.float64]:
    """Pixels of the pair in each scene, and how many of them are taken for the other class of the pair: (scenes, 2)."""
    rows = []
    with retclip.open(store, preset=preset) as memory:
        words = memory.prepare(names_of(memory, scenes))
        for record in memory.source(scenes).images():
            photo, counted = record.load(), [0, 0]
            rows.append(counted)
            shown = [info for info in photo.truth.segments if info.class_name in pair]
            if not shown:
                continue
            result = memory.segment(photo, words)
            predicted = {info.id: info.class_name for info in result.segments}
            for info in shown:
                other = pair[1 - pair.index(info.class_name)]
                ids, areas = np.unique(result.label_map[photo.truth.label_map == info.id], return_counts=True)
                counted[0] += int(areas.sum())
                counted[1] += sum(int(n) for one, n in zip(ids, areas, strict=True) if predicted.get(one) == other)
    return np.array(rows, dtype=np.float64)


def less_confused(before: NDArray[np.float64], after: NDArray[np.float64]) -> dict[str, Any]:
    """By how many percent the confused pixels fall, with the interval of a paired bootstrap over the scenes.

    before, after: as `taken_for` gives them, of the same scenes in the same order.
    """
    parts = [weights @ np.stack([before[:, 1], after[:, 1]], axis=1) for weights in drawings(len(before), 1000, 0)]
    drawn = np.concatenate(parts)  # (b, 2)
    (pixels, was), (_, now) = before.sum(0).tolist(), after.sum(0).tolist()
    fall = 100 * (1 - drawn[:, 1] / np.where(drawn[:, 0] > 0, drawn[:, 0], np.nan))
    return {"pixels": pixels, "before": was, "after": now, "fall": 100 * (1 - now / was) if was else None,
            "interval": percentile_interval(fall)}  # fmt: skip


def changes_of_iou(before: Path, after: Path) -> dict[str, dict[str, Any]]:
    """The IoU of every class before and after, percent, with its change and the interval of it, percentage points.

    before, after: folders of the evaluations.
    """
    compared = command("evaluate-diff", str(before), str(after))[0]["classes"]
    return {name: row for name, rows in compared.items() for row in rows if row["figure"] == "iou"}


def names_of(memory: retclip.RetCLIP, scenes: str) -> retclip.Vocabulary:
    """Every class of the scenes."""
    classes = memory.source(scenes).classes()
    return retclip.Vocabulary(tuple(one.name for one in classes), tuple(one.is_thing for one in classes))


def main() -> None:
    """Build, choose, add, compare, write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/negatives"))
    parser.add_argument("--stored", type=int, default=300, help="scenes in the store")
    parser.add_argument("--chosen", type=int, default=300, help="scenes that pair and examples are chosen on")
    parser.add_argument("--shown", type=int, default=200, help="test scenes")
    parser.add_argument("--preset", default="miniature-retrieval", help="or miniature: CLIP and head beside the vote")
    given = parser.parse_args()
    take_folder(given.out)
    store, scenes = str(given.out / "store"), f"miniature.scenes:{given.out / 'scenes'}?"
    preset = ("--preset", given.preset, "--store", store)
    command("build", f"{scenes}split=store&count={given.stored}", "--preset", "miniature", "--store", store)
    chosen, test = f"{scenes}split=val&count={given.chosen}", f"{scenes}split=test&count={given.shown}"
    pair = confused_pair(command("evaluate", chosen, *preset)[0]["confusion"])
    kept = [given.out / "before", given.out / "after"]
    before = command("evaluate", test, *preset, "--out", str(kept[0]))[0]
    confused = [taken_for(store, given.preset, test, pair)]
    with retclip.open(store, preset=given.preset) as memory:
        folders = examples(memory, chosen, pair, given.out / "examples")
    for name, folder in folders.items():
        marks = ("--masks", str(folder / "masks"), "--not")
        command("class", "add", name, str(folder / "photos"), *marks, *preset)
    after = command("evaluate", test, *preset, "--out", str(kept[1]))[0]
    confused.append(taken_for(store, given.preset, test, pair))
    iou = changes_of_iou(*kept)
    lost = {name: -row["change"] for name, row in iou.items() if row["change"] is not None and name not in pair}
    summary = {
        "preset": given.preset, "pair": pair,
        "examples": {name: len(list((folder / "masks").iterdir())) for name, folder in folders.items()},
        "confused": less_confused(*confused),
        "iou": {name: row for name, row in iou.items() if row["change"]},
        "most_lost_by_another": max(((loss, name) for name, loss in lost.items()), default=None),
        "others_that_lost_more_than_half_a_point": sorted(name for name, loss in lost.items() if loss > 0.5),
        "others_that_lost_beyond_noise": sorted(
            name for name in lost if iou[name]["high"] is not None and iou[name]["high"] < 0
        ),
        "miou": (before["miou"], after["miou"]), "pq": (before["pq"], after["pq"]),
    }  # fmt: skip
    (given.out / "negative_examples.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
