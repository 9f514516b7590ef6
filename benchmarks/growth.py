"""Time per photo and memory as the store and the vocabulary grow: preset `appearance`, photos of 480 x 360; and
FC-CLIP's path with a store, at full size.

    python benchmarks/growth.py FOLDER [--sizes 10000 100000 400000 1000000] [--classes 10 100 1000 5000]
    python benchmarks/growth.py FOLDER --parts full_size --results growth.json --plot docs/images

FOLDER keeps the stores, which are filled once through the store's own door (0.6 s of the processor for 1,000 segments):
one of each size with 50 classes, and one of 20,000 segments with 5,000 classes. Each is then opened by a process of its
own, which segments the same made-up photo four times. Prints a table: seconds of the processor of the first photo,
which opens the index; of a later one, and of the search in it; memory that is the process's own, and with what is
mapped from files. --results keeps the figures of each part in a file, --plot draws those that it has. Fails where a
photo's segments differ between two of its rounds.

Part `full_size`: preset `retclip-cross-data-set` with random weights (`full_size_path.py`), 768 numbers, one process
for all sizes: each round asks each store for the same photo, 640 x 960 of noise. A store is a smaller one, filled on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

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


def filled(folder: Path, segments: int, classes: int, smaller: tuple[Path, int] | None = None) -> Path:
    """A store of so many segments for preset `appearance`, see `grown`."""
    import retclip

    def opened(place: Path) -> Any:
        return retclip.open(place, preset="appearance", create=True, settings={"store": {"index": "resident"}})

    space = lambda memory: memory.session.builder().keys.component.space  # noqa: E731
    return grown(folder, segments, classes, opened, space, smaller)


def grown(
    folder: Path, segments: int, classes: int, opened: Callable[[Path], Any], space_of: Callable[[Any], Any],
    smaller: tuple[Path, int] | None = None,
) -> Path:  # fmt: skip
    """A store of so many segments, on top of a copy of a smaller one; one that is there already is taken."""
    import large_store

    if (folder / "whole").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    if smaller is not None:
        shutil.copytree(smaller[0], folder, ignore=shutil.ignore_patterns("whole"))
    large_store.CLASSES = classes
    with opened(folder) as memory:
        large_store.fill(memory.store, space_of(memory), segments, smaller[1] if smaller else 0)
    (folder / "whole").touch()
    return folder


@contextmanager
def searches() -> Iterator[list[float]]:
    """Seconds of the processor that each search took, meanwhile."""
    from retclip.store.feature_store import FeatureStore

    searched, whole = list[float](), FeatureStore.nearest

    def timed(*asked: Any, **options: Any) -> Any:
        clock = time.process_time()
        near = whole(*asked, **options)
        searched.append(time.process_time() - clock)
        return near

    with patch.object(FeatureStore, "nearest", timed):
        yield searched


def measure(folder: Path, classes: int, index: str) -> dict[str, float]:
    """Open a store in this process, and segment a photo."""
    import retclip

    names, image, times, answers = [f"class {number}" for number in range(classes)], photo(), [], []
    store = {"index": index}
    with searches() as searched, retclip.open(folder, preset="appearance", settings={"store": store}) as memory:
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


def in_turns(folder: Path, sizes: Sequence[int]) -> list[tuple[int, dict[str, float]]]:
    """FC-CLIP's path with stores of several sizes, the same photo in turns."""
    import full_size_path

    weights, side, shared = folder / "weights", 640, dict[Any, Any]()
    weights.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (side, side * 3 // 2, 3)).astype(np.uint8)
    _, text = full_size_path.competing(weights, image)

    def opened(place: Path) -> Any:
        memory = full_size_path.opened(weights, side, "float32", "retclip-cross-data-set", place)
        memory.session.components._loaded = shared  # one model for all
        memory.session.segmenter().backbone.component.text_vectors = lambda names: text[: len(names)]
        return memory

    smaller, rows = None, {size: list[tuple[float, float]]() for size in sizes}
    names, answers = [f"class {number}" for number in range(NAMES)], set()
    for size in sizes:
        place = folder / f"full{size}"
        grown(place, size, NAMES, opened, lambda memory: memory.session.segmenter().keys.component.space, smaller)
        smaller = place, size
    with searches() as searched, ExitStack() as stack:
        memories = {size: stack.enter_context(opened(folder / f"full{size}")) for size in sizes}
        for number in range(ROUNDS):
            for size, memory in memories.items():
                clock = time.process_time()
                result = memory.segment(image, names)
                rows[size].append((time.process_time() - clock, searched[-1]))
                answers.add((size, result.label_map.tobytes()))
                if number:
                    continue
                print(size, f"{rows[size][0][0]:.1f}", int(result.evidence.void.shape[0]), "masks", flush=True)
    if len(answers) != len(sizes):
        raise ValueError("the same photo has other segments the second time")
    return [(size, full_size_figures(times)) for size, times in rows.items()]


def full_size_figures(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The first photo, and medians of the later ones."""
    later, search = (median(each) for each in zip(*times[1:], strict=True))
    return {"first": times[0][0], "later": later, "search": search, "all else": median(a - b for a, b in times[1:])}


def measured(folder: Path, classes: int, index: str) -> dict[str, float]:
    """The same in a process of its own, after one that has left what the index keeps."""
    command = [sys.executable, __file__, str(folder), "--measure", str(classes), "--index", index]
    for _ in range(2):
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(answer.splitlines()[-1])
    return figures


def by_size(options: argparse.Namespace) -> list[tuple[int, dict[str, float]]]:
    """Preset `appearance` with stores of each size."""
    smaller, rows = None, []
    for size in options.sizes:
        smaller = filled(options.folder / f"s{size}", size, NAMES, smaller), size
    for size in options.sizes:
        rows.append((size, measured(options.folder / f"s{size}", NAMES, options.index)))
    return rows


def by_names(options: argparse.Namespace) -> list[tuple[int, dict[str, float]]]:
    """The same with so many names."""
    many = filled(options.folder / "many", NAMED, max(options.classes))
    return [(count, measured(many, count, options.index)) for count in options.classes]


def plot(folder: Path, found: dict[str, Any]) -> None:
    """Draw what was measured."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = {"later": "photo", "search": "of it the search", "own MB": "own", "with files MB": "with files"}
    seconds, memory = ("seconds of the processor", ("later", "search")), ("MB", ("own MB", "with files MB"))
    panels = (
        ("full_size", "vectors, FC-CLIP's path", seconds), ("vectors", "vectors, preset appearance", seconds),
        ("names", "names asked for, appearance", seconds), ("vectors", "vectors, preset appearance", memory),
    )  # fmt: skip
    figure, axes = pyplot.subplots(1, len(panels), figsize=(15, 3.4), layout="constrained")
    for axis, (part, title, (unit, keys)) in zip(axes, panels, strict=True):
        rows = found.get(part, [])
        for key in keys:
            axis.plot([row[0] for row in rows], [row[1][key] for row in rows], marker="o", label=shown[key])
        axis.set(xscale="log", xlabel=title, ylabel=unit, ylim=0)
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
    parser.add_argument("--parts", nargs="+", default=["vectors", "names"], choices=["vectors", "names", "full_size"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 400_000, 1_000_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000, 5000])
    parser.add_argument("--index", default="edge")
    parser.add_argument("--results", type=Path, help="a JSON file; figures of parts that are not measured now stay")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.sizes.sort()  # a store is a smaller one, filled on
    if options.measure:
        print(json.dumps(measure(options.folder, options.measure, options.index)))
        return
    kept = options.results is not None and options.results.exists()
    found = json.loads(options.results.read_text(encoding="utf-8")) if kept else {}
    for part in options.parts:
        found[part] = PARTS[part](options)
        table("names" if part == "names" else "vectors", found[part])
        if options.results:
            options.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(options.plot, found)


PARTS: dict[str, Callable[[argparse.Namespace], list[tuple[int, dict[str, float]]]]] = {
    "vectors": by_size, "names": by_names, "full_size": lambda options: in_turns(options.folder, options.sizes),
}  # fmt: skip


if __name__ == "__main__":
    main()
