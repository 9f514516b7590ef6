"""Search under filters at 200,000 x 768: milliseconds of a question, and the same hits as an exact scan.

    python benchmarks/search.py [--segments 200000] [--dim 768] [--classes 1000] [--questions 60] [--limit 16] [--graph]

A store is filled through its own door with the long-tailed clusters of `approximate_search.py`: two runs of two data
sets, scores at random, one segment of twenty quarantined. Asked are new vectors of the classes, half by how frequent
the classes are, half of every class alike, in the embedded index and in the one in memory: without a filter, under
class and run, class and data set, class and score, score alone, and for what is quarantined. p50 and p95 are wall
time of `FeatureStore.search`, SQL and archive included; `cpu` is the mean processor time. Recall is the share of the
exact answer that was found: of the archive's vectors, and of the float32 vectors before they were stored. --graph
builds the graph, and tells what a walk of it finds at several widths. Prints a JSON line for each; exit code 1 where
a filtered answer misses one segment, or an unfiltered one more than 2 of 100.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
import torch
from approximate_search import World, labels_of
from made_up_images import PROPOSER, image, plan, space_of
from numpy.typing import NDArray

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.ids import segment_id
from retclip.store.index import edge_searches, indexes
from retclip.store.records import SegmentFilter, UnitResult
from retclip.store.states import IndexKind, RunState, SegmentStatus
from retclip.types import FeatureSpace

PER_IMAGE, GROUP = 20, 64
NO_GRAPH = 1 << 60
WIDTHS = (256, 512, 1024, 2048)


@dataclass(frozen=True, eq=False)
class Truth:
    """What was stored, a row per segment, in the order of storing.

    ids: UUIDs. exact, archived: (n, d) float32 unit vectors before and after float16. labels, runs: (n,). scores: (n,).
    hidden: (n,) bool.
    """

    ids: list[UUID]
    exact: NDArray[np.float32]
    archived: NDArray[np.float32]
    labels: NDArray[np.int64]
    runs: NDArray[np.int64]
    scores: NDArray[np.float64]
    hidden: NDArray[np.bool_]


def filled(folder: Path, options: argparse.Namespace, world: World, rng: np.random.Generator) -> Truth:
    """Fill a store and tell what is in it."""
    labels = labels_of(options.segments, options.classes, rng)
    vectors, scores = world.members(labels, rng), np.round(rng.uniform(size=len(labels)), 3)
    hidden, half, ids = np.arange(len(labels)) % 20 == 0, len(labels) // 2 // PER_IMAGE * PER_IMAGE, list[UUID]()
    space = space_of(options.dim)
    with FeatureStore.create(folder, StoreOptions(index=IndexKind.RESIDENT)) as store:
        for name, first, last in (("first", 0, half), ("second", half, len(labels))):
            run = store.runs.start(plan(space, name))
            for start in range(first, last, GROUP * PER_IMAGE):
                begins = range(start, min(start + GROUP * PER_IMAGE, last), PER_IMAGE)
                rows = [range(begin, min(begin + PER_IMAGE, last)) for begin in begins]
                units = [unit(part, labels[part], vectors[part], space, scores[part]) for part in rows]
                store.runs.commit(run, units, {})
                ids += [number for committed in units for number in ids_of(committed)]
            store.runs.finish(run, RunState.FINISHED, {})
        store.segments.quarantine([ids[row] for row in np.flatnonzero(hidden).tolist()], "benchmark")
    archived = vectors.astype(np.float16).astype(np.float32)
    archived /= np.linalg.norm(archived, axis=1, keepdims=True)
    return Truth(ids, vectors, archived, labels, np.where(np.arange(len(labels)) < half, 1, 2), scores, hidden)


def unit(
    rows: range, labels: NDArray[np.int64], vectors: NDArray[np.float32], space: FeatureSpace,
    scores: NDArray[np.float64],
) -> UnitResult:  # fmt: skip
    """A made-up image of those rows."""
    return image(rows[0], [f"class {label}" for label in labels.tolist()], vectors, space, scores.tolist())


def ids_of(committed: UnitResult) -> list[UUID]:
    """The ids of an image's segments."""
    sha = committed.image_sha256
    return [segment_id(sha, PROPOSER, segment.prompt, segment.ordinal) for segment in committed.segments]


def questions(options: argparse.Namespace, truth: Truth, world: World, rng: np.random.Generator) -> Any:
    """Labels (q,) and unit vectors (q, d)."""
    alike = rng.integers(0, options.classes, options.questions // 2)
    frequent = truth.labels[rng.integers(0, len(truth.labels), options.questions - len(alike))]
    labels = np.concatenate([frequent, alike])
    return labels, world.members(labels, rng)


def filters(label: int, truth: Truth) -> dict[str, tuple[SegmentFilter, NDArray[np.bool_]]]:
    """Each filter, and the rows that pass it."""
    seen, of_class, name = ~truth.hidden, truth.labels == label, f"class {label}"
    high, half = truth.scores >= 0.5, truth.runs == 2
    return {
        "no filter": (SegmentFilter(), seen),
        "class and run": (SegmentFilter(classes=(name,), runs=(2,)), seen & of_class & half),
        "class and data set": (SegmentFilter(classes=(name,), datasets=("second",)), seen & of_class & half),
        "class and score": (SegmentFilter(classes=(name,), min_score=0.5), seen & of_class & high),
        "score": (SegmentFilter(min_score=0.97), seen & (truth.scores >= 0.97)),
        "quarantined": (SegmentFilter(states=(SegmentStatus.QUARANTINED,)), truth.hidden),
    }


def nearest(vectors: NDArray[np.float32], keep: NDArray[np.bool_], vector: NDArray[np.float32], limit: int) -> set[int]:
    """The rows of an exact scan."""
    rows = np.flatnonzero(keep)
    close = rows[np.argsort(-(vectors[rows] @ vector), kind="stable")[: 4 * limit]]  # of these float64 decides
    distances = 1 - vectors[close].astype(np.float64) @ vector.astype(np.float64)
    return set(close[np.argsort(distances, kind="stable")[:limit]].tolist())


def measured(store: FeatureStore, truth: Truth, asked: Any, limit: int) -> dict[str, dict[str, Any]]:
    """Milliseconds and recall of each filter."""
    row_of = {segment: row for row, segment in enumerate(truth.ids)}
    wall, cpu, of_archive, of_exact = ({name: list[float]() for name in filters(0, truth)} for _ in range(4))
    store.search(asked[1][0], SegmentFilter(), limit)  # opens index, archive and statements
    for label, vector in zip(asked[0].tolist(), asked[1], strict=True):
        for name, (chosen, keep) in filters(label, truth).items():
            clock, used = time.perf_counter(), time.process_time()
            page = store.search(vector, chosen, limit)
            wall[name].append(1000 * (time.perf_counter() - clock))
            cpu[name].append(1000 * (time.process_time() - used))
            returned = {row_of[segment] for segment in page.ids}
            for shares, vectors in ((of_archive, truth.archived), (of_exact, truth.exact)):
                wanted = nearest(vectors, keep, vector, limit)
                shares[name].append(len(returned & wanted) / len(wanted) if wanted else float(not returned))
    return {
        name: {"p50_ms": round(float(np.percentile(times, 50)), 1), "p95_ms": round(float(np.percentile(times, 95)), 1),
               "cpu_ms": round(float(np.mean(cpu[name])), 1), "recall": round(float(np.mean(of_archive[name])), 4),
               "recall_of_float32": round(float(np.mean(of_exact[name])), 4)}
        for name, times in wall.items()
    }  # fmt: skip


def walked(store: FeatureStore, truth: Truth, asked: Any, limit: int) -> dict[str, Any]:
    """Recall and milliseconds of a walk of the graph, by its width."""
    index, row_of = store.projection().index, {segment: row for row, segment in enumerate(truth.ids)}
    clock = time.perf_counter()
    index.optimize()
    answer: dict[str, Any] = {"graph_seconds": round(time.perf_counter() - clock, 1)}
    queries = torch.from_numpy(asked[1])
    wanted = [nearest(truth.exact, ~truth.hidden, vector, limit) for vector in asked[1]]
    for width in WIDTHS:
        edge_searches.WIDEST_SEARCH = width  # type: ignore[misc]
        used = time.process_time()
        hits = index.search_where(queries, limit, {"st": [0]}, exact=False)
        spent = 1000 * (time.process_time() - used) / len(queries)
        returned = [{row_of[segment] for segment in row if segment is not None} for row in hits.ids]
        shares = [len(a & b) / len(b) for a, b in zip(returned, wanted, strict=True)]
        answer[f"hnsw_ef {width}"] = {"recall": round(float(np.mean(shares)), 4), "cpu_ms": round(spent, 1)}
    return answer


def main() -> None:
    """Fill, ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = (("segments", 200_000), ("dim", 768), ("classes", 1000), ("questions", 60), ("limit", 16), ("spread", 40))
    for name, value in sizes:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--graph", action="store_true")
    options = parser.parse_args()
    rng, right = np.random.default_rng(0), True
    with tempfile.TemporaryDirectory(prefix="retclip-search-") as place:
        world, clock = World.drawn(options.classes, options.dim, options.spread, rng), time.perf_counter()
        truth = filled(Path(place) / "store", options, world, rng)
        print(json.dumps({"segments": len(truth.ids), "fill_seconds": round(time.perf_counter() - clock)}), flush=True)
        asked, engines = questions(options, truth, world, rng), StoreOptions(exact_below=NO_GRAPH)
        for kind in (IndexKind.EDGE, IndexKind.RESIDENT):
            with (
                patch.object(indexes, "MEMORY_SHARE", 0.0),  # else a copy in memory answers for the embedded index
                FeatureStore.open(Path(place) / "store", replace(engines, index=kind)) as store,
            ):
                figures = measured(store, truth, asked, options.limit)
            print(json.dumps({"index": str(kind), **figures}), flush=True)
            right &= all(figure["recall"] == 1 for name, figure in figures.items() if name != "no filter")
            right &= figures["no filter"]["recall_of_float32"] >= 0.98
        if options.graph:
            with FeatureStore.open(Path(place) / "store", engines) as store:
                print(json.dumps({"walk": walked(store, truth, asked, options.limit)}), flush=True)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
