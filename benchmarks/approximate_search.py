"""The embedded index's graph against an exact scan: recall@16 and the time it takes, on clustered, long-tailed vectors.

    python benchmarks/approximate_search.py [--points 20000 100000 200000] [--dim 768] [--classes 1000] [--k 16]

Real data sets have few classes with very many segments and many with a handful; so have these vectors: the size of
class r falls as r^-1.3, down to 2. A class is several clusters around its own centre, clusters overlap, and all share a
common direction as CLIP's vectors do; --spread says over about how many directions the members of a cluster vary (768
is the hardest case: all lie equally far apart). The index is filled through its own `upsert`, which builds the graph.

Asked are new vectors of the classes: half by how frequent the classes are, half of every class alike, so that the rare
ones count. Searched in: all classes; vocabularies of 50 (20 frequent and 30 rare ones) and of 300 at random; and each
of 20 classes for itself. Recall is the share of the exact float32 answer that was found, in all and of the neighbours
of rare classes (20 segments or fewer) alone. float16 storage costs a part of it: the scan, asked of the same index,
says how much. `graph_alone` is the recall of a plain walk of the graph under the filter, and why that is not what the
index does. Prints one JSON line per size; milliseconds are of the processor, medians of rounds in turns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.store.index.edge import EdgeIndex
from retclip.store.index.protocol import PAYLOAD, Hits, Points, gathered
from retclip.store.index.resident import ResidentIndex

RARE = 20  # segments
BUILD_FROM = 10_000  # points outside the graph; the smallest size is larger, so that each gets one
WAYS = {"by_default": 20_000, "walk": 5_000, "scan": 1 << 60}  # exact_below while asking
PAGE = 2048


@dataclass(frozen=True)
class World:
    """common: (d,), a direction that all share. centres: (4 classes, d), four clusters a class. axes: (d, d), a random
    basis, its directions shrunk so that `spread` of them carry the noise."""

    common: NDArray[np.float32]
    centres: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def drawn(cls, classes: int, dim: int, spread: int, rng: np.random.Generator) -> World:
        common, own = rng.normal(size=dim), rng.normal(size=(classes, dim))
        centres = np.repeat(own, 4, axis=0) + 0.7 * rng.normal(size=(4 * classes, dim))
        basis, scale = np.linalg.qr(rng.normal(size=(dim, dim)))[0], np.exp(-np.arange(dim) / spread)
        axes = np.sqrt(dim / (scale**2).sum()) * scale[:, None] * basis.T
        return cls(common.astype(np.float32), centres.astype(np.float32), axes.astype(np.float32))

    def members(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """(n, d) unit vectors of those classes."""
        chosen = self.centres[labels * 4 + rng.integers(0, 4, len(labels))]
        noise = rng.normal(size=chosen.shape).astype(np.float32) @ self.axes
        vectors = self.common + 0.6 * chosen + 0.5 * noise
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit.astype(np.float32)


def labels_of(points: int, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) labels of a long tail: class r has a share of r^-1.3, at least 2 segments."""
    shares = np.arange(1, classes + 1) ** -1.3
    sizes = np.maximum(2, np.floor(points * shares / shares.sum())).astype(np.int64)
    sizes[0] += points - sizes.sum()
    return rng.permutation(np.repeat(np.arange(classes), sizes))


def fill(index: Any, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Upsert all; seconds."""
    clock = time.perf_counter()
    for start in range(0, len(vectors), PAGE):
        part = slice(start, start + PAGE)
        payload = np.zeros((len(vectors[part]), len(PAYLOAD)), dtype=np.int64)
        payload[:, PAYLOAD.index("cat")], payload[:, PAYLOAD.index("rev")] = labels[part], 1
        ids = [uuid.UUID(int=n + 1) for n in range(start, start + len(payload))]
        index.upsert(Points(ids, vectors[part], payload))
    index.keep_up()
    return time.perf_counter() - clock


def recall(found: Hits, truth: Hits, among: NDArray[np.int64] | None = None) -> float | None:
    """Share of the true neighbours that were found; `among`: of those alone whose class is one of these."""
    hit, all_of = 0, 0
    for row in range(len(truth.ids)):
        wanted = {
            one for one, label in zip(truth.ids[row], truth.classes[row], strict=True)
            if one is not None and (among is None or label in among)
        }  # fmt: skip
        hit, all_of = hit + len(wanted & set(found.ids[row])), all_of + len(wanted)
    return round(hit / all_of, 4) if all_of else None


def measured(points: int, given: argparse.Namespace) -> dict[str, Any]:
    """One size: fill, build, ask, compare."""
    rng = np.random.default_rng(0)
    world, labels = World.drawn(given.classes, given.dim, given.spread, rng), labels_of(points, given.classes, rng)
    vectors, sizes = world.members(labels, rng), np.bincount(labels, minlength=given.classes)
    rare = np.flatnonzero(sizes <= RARE)
    alike = rng.integers(0, given.classes, given.queries // 2)
    asked_labels = np.concatenate([rng.choice(labels, given.queries - len(alike)), alike])
    asked = torch.from_numpy(world.members(asked_labels, rng))
    mixed = [*range(20), *rng.choice(rare, 30, replace=False).tolist()]
    chosen = rng.choice(given.classes, 300, replace=False).tolist()
    each = [*range(10), *rng.choice(rare, 10, replace=False).tolist()]
    exact = ResidentIndex(given.dim)
    fill(exact, vectors, labels)
    with tempfile.TemporaryDirectory(prefix="retclip-graph-") as place:
        index = EdgeIndex.open(Path(place), given.dim, exact_below=BUILD_FROM)
        seconds = fill(index, vectors, labels)
        state = index.graph()
        answer: dict[str, Any] = {
            "points": points, "dim": given.dim, "classes": given.classes, "rare_classes": len(rare),
            "largest_class": int(sizes.max()), "fill_seconds": round(seconds, 1), "in_graph": state.indexed,
        }  # fmt: skip
        for name, classes in {"all": None, "20_frequent_30_rare": mixed, "300_at_random": chosen}.items():
            answer[name] = compared(index, exact, partial(search, asked, given.k, classes), rare, given.rounds)
            answer[name]["graph_alone"] = graph_alone(index, exact, asked, given.k, classes)
        each_class = partial(search_per_class, asked, given.k, each)
        answer["each_of_20"] = compared(index, exact, each_class, rare, given.rounds)
        index.close()
    return answer


def search(asked: torch.Tensor, k: int, classes: list[int] | None, index: Any) -> Hits:
    """A question to an index."""
    found: Hits = index.search(asked, k, classes)
    return found


def search_per_class(asked: torch.Tensor, k: int, classes: list[int], index: Any) -> Hits:
    """A question to an index."""
    found: Hits = index.search_per_class(asked, k, classes)
    return found


def compared(index: EdgeIndex, exact: ResidentIndex, question: Any, rare: Any, rounds: int) -> dict[str, Any]:
    """Recall, of rare classes too, and milliseconds of each way to answer."""
    truth, found, times = question(exact), dict[str, Hits](), {way: list[float]() for way in WAYS}
    for _ in range(rounds):
        for way, exact_below in WAYS.items():
            index.exact_below = exact_below
            clock = time.process_time()
            found[way] = question(index)
            times[way].append(1000 * (time.process_time() - clock))
    return {
        way: {"recall": recall(hits, truth), "rare": recall(hits, truth, rare), "ms": round(median(times[way]))}
        for way, hits in found.items()
    }


def graph_alone(index: EdgeIndex, exact: ResidentIndex, asked: torch.Tensor, k: int, classes: list[int] | None) -> Any:
    """Recall of a walk of the graph under the filter."""
    sizes = index._engine().sizes()
    walked = index._engine().walk_within(asked.tolist(), k, list(sizes) if classes is None else classes)
    return recall(gathered([walked], len(asked), k), exact.search(asked, k, classes))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000, 200_000])
    for name, value in (("dim", 768), ("classes", 1000), ("queries", 100), ("k", 16), ("rounds", 3), ("spread", 40)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    for points in given.points:
        print(json.dumps(measured(points, given)), flush=True)


if __name__ == "__main__":
    main()
