"""What exact search costs: 100 masks among 10,000 to 1,000,000 vectors of 150 classes, beside one plain product.

    python benchmarks/exact_search.py [--points 10000 100000 400000] [--dim 768] [--queries 100] [--k 16] [--device cpu]

Prints a table, a line for each size: milliseconds (median of the rounds; of a CPU the processor's, so that other
programs count less) of one product in bfloat16 and in float32, and of the index's searches as a ratio to the bfloat16
product: in all 150 classes, in 149, with one segment quarantined, with one in forty written since the rows were sorted;
the 1, 3 and 16 nearest of each class; the 3 nearest of each with one segment quarantined; and the plain way to that, a
float32 product and a sort per class. Rounds take turns, so that they share the machine's moods, and each asks for other
masks, so that nothing is known of the answers. Vectors are random directions: nothing about them can be guessed. Fails
where an answer is not that of a full product in float64.
--json prints a JSON line for each size instead. A million vectors need 9 GB.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from retclip.algorithms.precision import bfloat16_is_faster
from retclip.store.index.protocol import PAYLOAD, Hits, Points
from retclip.store.index.resident import ResidentIndex
from retclip.store.index.sorted_rows import SortedRows

CLASSES, CHECKED, PAGE = 150, 5, 1 << 15


def unit_rows(count: int, dim: int, seed: int) -> torch.Tensor:
    """(count, dim) float32 random directions."""
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    for part in torch.split(rows, PAGE):
        part /= torch.linalg.vector_norm(part, dim=1, keepdim=True)
    return rows


def integers(rows: range, revision: int = 1, state: int = 0) -> np.ndarray:
    """The payload of points, labelled in turn."""
    payload = np.zeros((len(rows), len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("cat")] = np.array(rows) % CLASSES
    payload[:, PAYLOAD.index("rev")], payload[:, PAYLOAD.index("st")] = revision, state
    return payload


def filled(keys: torch.Tensor, device: str) -> ResidentIndex:
    """An index that holds the keys, sorted."""
    ids = np.stack([np.zeros(len(keys), np.uint64), np.arange(1, len(keys) + 1, dtype=np.uint64)], axis=1)
    rows = SortedRows.of(ids, integers(range(len(keys))), keys.to(device))
    return ResidentIndex(keys.shape[1], device, rows)


def beside(index: ResidentIndex, keys: torch.Tensor, rows: range, state: int = 0) -> ResidentIndex:
    """An index over the same sorted rows in which some were written again."""
    again = ResidentIndex(index.dim, str(index.device), index._sorted)
    for start in range(rows.start, rows.stop, PAGE):
        part = range(start, min(start + PAGE, rows.stop))
        ids = [uuid.UUID(int=row + 1) for row in part]
        again.upsert(Points(ids, keys[part.start : part.stop].numpy(), integers(part, 2, state)))
    return again


def sort_per_class(queries: torch.Tensor, keys: torch.Tensor, k: int) -> None:
    """The plain way."""
    scores = queries @ keys.T
    for label in range(CLASSES):
        scores[:, label::CLASSES].topk(k, dim=1)


def require_exact(hits: Hits, queries: torch.Tensor, keys: torch.Tensor, k: int, first: int, per_class: bool) -> None:
    """Raise ValueError unless the hits of the first queries are those of a full product in float64.

    first: of the keys that may be found.
    """
    for row in range(CHECKED):
        query = queries[row].double()
        scores = torch.cat([part.double() @ query for part in torch.split(keys, PAGE)]).float().numpy()
        allowed = np.arange(first, len(keys))
        groups = [allowed[allowed % CLASSES == label] for label in range(CLASSES)] if per_class else [allowed]
        wanted = {int(n) for group in groups for n in group[np.lexsort([group, -scores[group]])][:k]}
        if {point.int - 1 for point in hits.ids[row] if point is not None} != wanted:
            raise ValueError(f"query {row} has other neighbours than a full product finds")


def milliseconds(action: Callable[[], object], device: str) -> float:
    """How long one call takes: of a CPU the time of all its threads, else until the device is done."""
    if device == "cpu":
        clock = time.process_time()
        action()
        return 1000 * (time.process_time() - clock)
    clock = time.perf_counter()
    action()
    torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - clock)


def measured(points: int, options: argparse.Namespace) -> dict[str, Any]:
    """One size."""
    host, asked, k = unit_rows(points, options.dim, 0), unit_rows(options.queries, options.dim, 1), options.k
    index, every = filled(host, options.device), range(CLASSES)
    hiding, changed = beside(index, host, range(1), state=1), beside(index, host, range(points // 40))
    require_exact(index.search(asked, k), asked, host, k, 0, False)
    require_exact(hiding.search(asked, k), asked, host, k, 1, False)
    require_exact(changed.search(asked, k), asked, host, k, 0, False)
    require_exact(hiding.search_per_class(asked, 3, every), asked, host, 3, 1, True)
    keys = index._sorted.vectors
    del host
    rounded = index._sorted.coarse.keys if index._sorted.coarse is not None else keys.bfloat16()
    actions: dict[str, Callable[[torch.Tensor], object]] = {
        "bfloat16 product": lambda queries: queries.bfloat16() @ rounded.T,
        "float32 product": lambda queries: queries @ keys.T,
        "150 classes": lambda queries: index.search(queries, k, every),
        "149 classes": lambda queries: index.search(queries, k, every[1:]),
        "one hidden": lambda queries: hiding.search(queries, k, every),
        "one in 40 new": lambda queries: changed.search(queries, k, every),
        "each, 1": lambda queries: index.search_per_class(queries, 1, every),
        "each, 3": lambda queries: index.search_per_class(queries, 3, every),
        "each, 3, one hidden": lambda queries: hiding.search_per_class(queries, 3, every),
        f"each, {k}": lambda queries: index.search_per_class(queries, k, every),
        "each, 3, plainly": lambda queries: sort_per_class(queries, keys, 3),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(options.rounds + 1):
        queries = unit_rows(options.queries, options.dim, number + 1).to(options.device)
        for name, action in actions.items():
            times[name].append(milliseconds(partial(action, queries), options.device))
    return {name: median(values[1:]) for name, values in times.items()}  # the first call of each allocates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000, 400_000])
    for name, value in (("dim", 768), ("queries", 100), ("k", 16), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    first = bfloat16_is_faster(options.device, options.dim)
    cpu, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
    if not options.json:
        print(f"{options.device}, {cpu}, {threads} threads; bfloat16 first: {first}")
    for number, points in enumerate(options.points):
        ms = measured(points, options)
        if options.json:
            about = {"points": points, "device": options.device, "cpu": cpu, "threads": threads, "bfloat16": first}
            print(json.dumps({**about, "ms": {name: round(value, 1) for name, value in ms.items()}}), flush=True)
            continue
        if not number:
            print("| vectors | bfloat16 product | " + " | ".join(list(ms)[1:]) + " |")
            print("|---:" * (len(ms) + 1) + "|")
        ratios = [f"{value / ms['bfloat16 product']:.2f}" for value in list(ms.values())[1:]]
        print(f"| {points:,} | {ms['bfloat16 product']:.0f} ms | " + " | ".join(ratios) + " |", flush=True)


if __name__ == "__main__":
    main()
