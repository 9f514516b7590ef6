"""Time per photo and memory as the store and the vocabulary grow: preset `appearance`, photos of 480 x 360.

    python benchmarks/growth.py FOLDER [--sizes 10000 100000 400000] [--classes 10 100 1000 5000] [--plot docs/images]

FOLDER keeps the stores, which are filled once through the store's own door (0.6 s of the processor for 1,000 segments):
one of each size with 50 classes, and one of 20,000 segments with 5,000 classes. Each is then opened by a process of its
own, which segments the same made-up photo four times. Prints a table: seconds of the processor of the first photo,
which opens the index; of a later one, and of the search in it; memory that is the process's own, and with what is
mapped from files. --plot draws it. Fails where a photo's segments differ between two of its rounds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

NAMES, NAMED = 50, 20_000  # classes of a store of each size; segments of the store with many classes
ROUNDS = 4


def photo() -> np.ndarray:
    """(360, 480, 3) uint8 of coloured patches, their edges soft."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (18, 24, 3)).repeat(20, axis=0).repeat(20, axis=1).astype(float)
    for axis in (0, 1):
        patches = (patches + np.roll(patches, 5, axis) + np.roll(patches, -5, axis)) / 3
    return np.clip(patches + rng.normal(0, 6, patches.shape), 0, 255).astype(np.uint8)


def filled(folder: Path, segments: int, classes: int) -> Path:
    """A store of so many segments; one that is there already is taken."""
    import large_store

    import retclip

    if not (folder / "whole").exists():
        large_store.CLASSES = classes
        settings = {"store": {"index": "resident"}}
        with retclip.open(folder, preset="appearance", create=True, settings=settings) as memory:
            large_store.fill(memory.store, memory.session.builder().keys.component.space, segments)
        (folder / "whole").touch()
    return folder


def measure(folder: Path, classes: int, index: str) -> dict[str, float]:
    """Open a store in this process, and segment a photo."""
    import retclip
    from retclip.store.feature_store import FeatureStore

    searched: list[float] = []
    whole = FeatureStore.nearest

    def timed(*asked: Any, **options: Any) -> Any:
        clock = time.process_time()
        near = whole(*asked, **options)
        searched.append(time.process_time() - clock)
        return near

    FeatureStore.nearest = timed  # type: ignore[method-assign]
    names, image, times, answers = [f"class {number}" for number in range(classes)], photo(), [], []
    with retclip.open(folder, preset="appearance", settings={"store": {"index": index}}) as memory:
        for _ in range(ROUNDS):
            clock = time.process_time()
            result = memory.segment(image, names)
            times.append(time.process_time() - clock)
            answers.append([(segment.class_name, segment.area) for segment in result.segments])
        used = psutil.Process().memory_full_info()
    if any(answer != answers[0] for answer in answers):
        raise ValueError("the same photo has other segments the second time")
    return {
        "first": times[0], "later": median(times[1:]), "first search": searched[0], "search": median(searched[1:]),
        "own MB": used.uss / 2**20, "with files MB": used.rss / 2**20,
    }  # fmt: skip


def measured(folder: Path, classes: int, index: str) -> dict[str, float]:
    """The same in a process of its own, after one that has left what the index keeps."""
    command = [sys.executable, __file__, str(folder), "--measure", str(classes), "--index", index]
    for _ in range(2):
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(answer.splitlines()[-1])
    return figures


def plot(folder: Path, sizes: Sequence[Any], vocabularies: Sequence[Any]) -> None:
    """Draw both tables."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    titles = ("vectors in the store", "names asked for", "vectors in the store")
    for axis, rows, title in zip(axes, (sizes, vocabularies, sizes), titles, strict=True):
        numbers = [row[0] for row in rows]
        keys = ("own MB", "with files MB") if axis is axes[2] else ("later", "search")
        for key in keys:
            label = {"later": "photo", "search": "of it the search", "own MB": "own", "with files MB": "with files"}
            axis.plot(numbers, [row[1][key] for row in rows], marker="o", label=label[key])
        axis.set(xscale="log", xlabel=title, ylabel="MB" if axis is axes[2] else "seconds of the processor", ylim=0)
        axis.legend()
    figure.savefig(folder / "growth.svg")


def table(head: str, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
    """Print figures, and the later photo as a ratio to the first row's."""
    print(f"| {head} | " + " | ".join(rows[0][1]) + " | ratio |\n" + "|---:" * (len(rows[0][1]) + 2) + "|")
    for number, figures in rows:
        cells = [f"{value:,.0f}" if "MB" in key else f"{value:.2f}" for key, value in figures.items()]
        print(f"| {number:,} | " + " | ".join(cells) + f" | {figures['later'] / rows[0][1]['later']:.2f} |")


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 400_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000, 5000])
    parser.add_argument("--index", default="edge")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.folder, options.measure, options.index)))
        return
    sizes = []
    for size in options.sizes:
        sizes.append((size, measured(filled(options.folder / f"s{size}", size, NAMES), NAMES, options.index)))
    table("vectors", sizes)
    many = filled(options.folder / "many", NAMED, max(options.classes))
    names = [(count, measured(many, count, options.index)) for count in options.classes]
    table("names", names)
    if options.plot:
        plot(options.plot, sizes, names)


if __name__ == "__main__":
    main()
