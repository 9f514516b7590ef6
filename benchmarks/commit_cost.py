"""What a commit of a build costs in the store, and what of it the chain of events.

    python benchmarks/commit_cost.py --images 4000

Commits made-up images (16 at a time, 12 segments each, vectors of 512) into a new store with the index in memory, and
prints one JSON line: CPU seconds of all commits, microseconds a segment, bytes of the catalog a segment, and of the
chain its share of the CPU time where this program has one. Commits of one program against another's: run both in turns.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from made_up_images import image, plan, space_of

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.records import UnitResult
from retclip.types import FeatureSpace

CLASSES, PER_CLASS, DIM, IMAGES_A_COMMIT = ("road", "car", "tree", "sky"), 3, 512, 16
LABELS = CLASSES * PER_CLASS


def unit(number: int, space: FeatureSpace) -> UnitResult:
    """The finished work of an image."""
    vectors = np.random.default_rng(number).normal(size=(len(LABELS), DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return image(number, LABELS, vectors, space)


def timed(module: str, name: str, spent: list[float]) -> None:
    """Add the CPU seconds of every call of a function to `spent`; nothing where this program does not have it."""
    try:
        owner = importlib.import_module(module)
        function: Callable[..., Any] = getattr(owner, name)
    except (ImportError, AttributeError):
        return

    def wrapped(*arguments: Any, **more: Any) -> Any:
        clock = time.process_time()
        try:
            return function(*arguments, **more)
        finally:
            spent.append(time.process_time() - clock)

    setattr(owner, name, wrapped)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--database", default="", help="A PostgreSQL URL; SQLite without.")
    options = parser.parse_args()
    chain: list[float] = []
    timed("retclip.store.sql.engine", "append_links", chain)
    space = space_of(DIM)
    with tempfile.TemporaryDirectory(prefix="retclip-commit-") as root:
        folder, spent, wall = Path(root) / "store", 0.0, 0.0
        with FeatureStore.create(folder, StoreOptions(database=options.database, index="resident")) as store:
            run = store.runs.start(plan(space))
            for first in range(0, options.images, IMAGES_A_COMMIT):
                units = [unit(number, space) for number in range(first, min(options.images, first + IMAGES_A_COMMIT))]
                clock, real = time.process_time(), time.perf_counter()
                store.runs.commit(run, units, dict.fromkeys(CLASSES, True))
                spent, wall = spent + time.process_time() - clock, wall + time.perf_counter() - real
        catalog = folder / "catalog.sqlite"
        size = catalog.stat().st_size if catalog.exists() else 0
    segments = options.images * len(LABELS)
    figures = {"segments": segments, "cpu_seconds": spent, "wall_seconds": wall, "bytes": size / segments}
    figures |= {"microseconds": 1e6 * spent / segments, "chain_percent": 100 * sum(chain) / spent}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
