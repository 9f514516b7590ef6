"""PQ over predictions on disk: 500 drawn maps of 640 x 480 pixels, ours beside hotcoco's count of the same files.

    taskset -c 0 python benchmarks/panoptic_quality.py [--images 500] [--rounds 3] [--folder FOLDER]

Both read the two JSON files and every PNG, and count; rounds take turns. Prints one JSON line: seconds of the processor
(median of the rounds; other programs count less in them than in the clock's), their ratio, and how much this process
grew between its first and its last hundred images. Asserts that both find the same: PQ, SQ and RQ to 1e-12.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from retclip.algorithms.panoptic_matching import Labelled, match_segments
from retclip.algorithms.panoptic_quality import PanopticQuality
from retclip.data.panoptic_writer import PanopticWriter
from retclip.data.readers.coco.coco_panoptic import read_panoptic_runs
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

HEIGHT, WIDTH, CLASSES, THINGS, SHAPES = 480, 640, 40, 20, 14
NAMES = [SourceClass(f"class {number}", number < THINGS, native_id=number + 1) for number in range(CLASSES)]


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, dict[int, int]]:
    """A map of wavy ellipses, and the class of each id."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    label_map, classes = np.zeros((HEIGHT, WIDTH), np.int32), {}
    for _ in range(SHAPES):
        y, x = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
        high, wide = rng.integers(20, 160, 2)
        number = int(rng.integers(1, 2**24))
        inside = ((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2 <= 1 + 0.05 * np.sin(columns / 7)
        label_map[inside], classes[number] = number, int(rng.integers(0, CLASSES))
    return label_map, classes


def segmentation(label_map: np.ndarray, classes: dict[int, int]) -> PanopticSegmentation:
    """The map with its segments."""
    ids, areas = np.unique(label_map, return_counts=True)
    infos = (
        SegmentInfo(int(i), NAMES[classes[int(i)]].name, classes[int(i)] < THINGS, int(area))
        for i, area in zip(ids, areas, strict=True)
        if i
    )
    return PanopticSegmentation(label_map, tuple(infos))


def draw(folder: Path, images: int) -> None:
    """Write truth and predictions: the true map moved by some pixels, one class of five another."""
    rng = np.random.default_rng(0)
    truth, predicted = PanopticWriter(folder, NAMES, "truth"), PanopticWriter(folder, NAMES, "predicted")
    for number in range(images):
        label_map, classes = drawn(rng)
        truth.add(f"{number:05}", segmentation(label_map, classes))
        moved = np.roll(label_map, rng.integers(-6, 7, 2), (0, 1))
        others = {i: c if rng.random() < 0.8 else int(rng.integers(0, CLASSES)) for i, c in classes.items()}
        predicted.add(f"{number:05}", segmentation(moved, others))
    truth.close()
    predicted.close()


def maps(folder: Path, name: str) -> Iterator[Labelled]:
    """Read maps as the reader of COCO panoptic files does."""
    document = json.loads((folder / f"{name}.json").read_text())
    categories = {entry["id"]: NAMES[entry["id"] - 1] for entry in document["categories"]}
    for annotation in document["annotations"]:
        yield Labelled(
            *read_panoptic_runs(folder / name / annotation["file_name"], annotation["segments_info"], categories)
        )


def ours(folder: Path, peaks: list[int]) -> dict[str, tuple[float | None, ...]]:
    """PQ, SQ and RQ of all, of things and of stuff. peaks: gets the peak of memory in KiB after each image."""
    quality = PanopticQuality({entry.name: bool(entry.is_thing) for entry in NAMES})
    for predicted, truth in zip(maps(folder, "predicted"), maps(folder, "truth"), strict=True):
        quality.include(match_segments(predicted, truth, quality.per_class))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    means = {"All": quality.mean(), "Things": quality.mean(True), "Stuff": quality.mean(False)}
    return {group: (mean.pq, mean.sq, mean.rq) for group, mean in means.items()}


def theirs(folder: Path) -> dict[str, tuple[float | None, ...]]:
    """The same, by hotcoco."""
    from hotcoco.panoptic import PanopticEval

    evaluation = PanopticEval(folder / "truth.json", folder / "predicted.json")
    evaluation.evaluate()
    results = evaluation.results()
    return {group: tuple(results[group][key] for key in ("pq", "sq", "rq")) for group in ("All", "Things", "Stuff")}


def seconds(action: Callable[[], object]) -> tuple[float, object]:
    """Seconds of the processor, and the answer."""
    begin = time.process_time()
    answer = action()
    return time.process_time() - begin, answer


def main() -> None:
    """Draw, count in turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the maps are drawn, or lie already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "predicted.json").exists():
            draw(folder, options.images)
        peaks: list[int] = []
        times: dict[str, list[float]] = {"retclip": [], "hotcoco": []}
        for _ in range(options.rounds):
            took, own = seconds(lambda: ours(folder, peaks))
            times["retclip"].append(took)
            took, other = seconds(lambda: theirs(folder))
            times["hotcoco"].append(took)
            for group in own:
                np.testing.assert_allclose(own[group], other[group], rtol=0, atol=1e-12)
    medians = {name: median(values) for name, values in times.items()}
    images = len(peaks) // options.rounds
    grown = peaks[images - 1] - peaks[min(99, images - 1)]
    print(json.dumps({"images": images, **medians, "ratio": medians["retclip"] / medians["hotcoco"], "grown_kib": grown,
                      "found": own["All"]}))  # fmt: skip


if __name__ == "__main__":
    main()
