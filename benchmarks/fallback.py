"""Classes that the store lacks, fetched from another data set (paper, section 2.2), with the models that ship.

    python benchmarks/fallback.py --out /tmp/fallback

A store of photo-like scenes that show 30 things; the same world by another artist, in drawings, as the fallback data
set. 40 names are asked for: the 30, and 10 that the store lacks. Of these the drawings have two by name, two by a
synonym of the user's, two by text alone (the small CLIP's own vectors); four have nothing near enough. Runs the
commands that a person would run (they are printed) and writes OUT/fallback.json and OUT/fallback.md: what became of
each name, and what a second run fetched. Stops with a message where the right six were not filled, or the second run
fetched anything.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from real_photos import command, take_folder

STORED = (
    "apple", "backpack", "banana", "bear", "bed", "bell", "bus", "butterfly", "cactus", "camera", "car", "castle",
    "cat", "chair", "cow", "dog", "duck", "elephant", "fish", "fox", "guitar", "horse", "house", "key", "lion",
    "owl", "pizza", "rabbit", "train", "whale",
)  # fmt: skip
ABSENT = {  # as a line of a class list -> the drawings' class that should stand for it, and by which rule
    "teapot": ("teapot", "exact"), "Violin": ("violin", "exact"),
    "lorry, truck": ("truck", "synonym"), "pushbike, bicycle": ("bicycle", "synonym"),
    "small airplane": ("airplane", "text"), "taxi cab": ("taxi", "text"),
    "sailing boat": None, "unicorns": None, "submarine": None, "ox": None,
}  # fmt: skip
Outcomes = list[dict[str, Any]]


def filled(store: Path, names: Path, fallback: str) -> tuple[Outcomes, float]:
    """What became of each name, and how long it took."""
    shared = ("--classes", str(names), "--store", str(store), "--set", f"fallback.source={fallback}")
    answer, seconds = command("fallback", "fill", *shared)
    return answer["outcomes"], seconds


def mistakes(first: Outcomes, second: Outcomes) -> list[str]:
    """Names of which something else became than should."""
    wanted = {line.partition(",")[0]: found for line, found in ABSENT.items()}
    wrong = []
    for one, again in zip(first, second, strict=True):
        name, right = one["name"], wanted.get(one["name"])
        state = "there" if name in STORED else "filled" if right else "missing"
        if one["state"] != state or (right and (one["matched"], one["how"]) != right):
            wrong.append(f"{name}: {one['state']} {one['matched']} ({one['how']})")
        if again["images"] or again["state"] != one["state"]:
            wrong.append(f"{name}, second run: {again['state']}, {again['images']} images")
    return wrong


def table(outcomes: Outcomes) -> str:
    """What became of the ten as Markdown, and what was nearest to those that are missing."""
    lines = [
        "| name | | class of the drawings | by | similarity | images | segments |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for one in (one for one in outcomes if one["state"] != "there"):
        near = one["in_fallback"] or {}
        shown = one["matched"] or f"(nearest: {near.get('name')})"
        cosine = one["similarity"] if one["matched"] else near.get("similarity")
        told = "" if cosine is None else f"{cosine:.3f}"
        cells = (one["name"], one["state"], shown, one["how"], told, one["images"], one["segments"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/fallback"))
    parser.add_argument("--stored", type=int, default=100, help="scenes in the store")
    parser.add_argument("--others", type=int, default=600, help="scenes of the fallback data set")
    given = parser.parse_args()
    store, names = given.out / "store", given.out / "names.txt"
    take_folder(given.out)
    shutil.rmtree(store, ignore_errors=True)
    names.write_text("\n".join((*STORED, *ABSENT)) + "\n", encoding="utf-8")
    scenes = f"miniature.scenes:{given.out / 'scenes'}?split=store"
    things = "".join(f"&things={name}" for name in STORED)
    built, _ = command(
        "build", f"{scenes}&count={given.stored}{things}", "--preset", "miniature", "--store", str(store)
    )
    fallback = f"{scenes}&style=drawing&count={given.others}"
    first, seconds = filled(store, names, fallback)
    second, seconds_again = filled(store, names, fallback)
    found = {"stored_segments": built["segments"], "seconds": seconds, "seconds_again": seconds_again,
             "first": first, "second": second}  # fmt: skip
    (given.out / "fallback.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (given.out / "fallback.md").write_text(table(first), encoding="utf-8")
    print(table(first))
    print(f"the second run fetched {sum(one['images'] for one in second)} images")
    wrong = mistakes(first, second)
    if wrong:
        raise SystemExit("not as it should be:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
