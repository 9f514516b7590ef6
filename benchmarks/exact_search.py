"""Exact search in memory: 100 masks against 200,000 stored vectors, as a ratio to one plain matrix product.

    python benchmarks/exact_search.py [--points 200000] [--dim 768] [--queries 100] [--k 16] [--device cpu]

Prints one JSON line: milliseconds (median of the rounds) of the plain product, of product and sort, and of the index's
search; their ratios; recall against product and sort. Rounds of the three take turns, so that they share the machine's
moods. The vectors are random directions, which is the worst case: nothing about them can be guessed.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from retclip.store.vectors import PAYLOAD, Points
from retclip.store.vectors.resident import ResidentIndex
from retclip.store.vectors.top_k import Coarse, bfloat16_is_faster, exact_top_k


def unit_rows(count: int, dim: int, seed: int) -> torch.Tensor:
    """(count, dim) float32 random directions."""
    found = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(found, dim=1)


def filled(keys: torch.Tensor, device: str) -> ResidentIndex:
    """An index that holds the keys."""
    index = ResidentIndex(keys.shape[1], device)
    payload = np.zeros((len(keys), len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("rev")] = 1
    index.upsert(Points([uuid.UUID(int=n + 1) for n in range(len(keys))], keys.numpy(), payload))
    return index


def milliseconds(action: Callable[[], object], device: str) -> float:
    """How long one call takes, until the device is done."""
    clock = time.perf_counter()
    action()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - clock)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("points", 200_000), ("dim", 768), ("queries", 100), ("k", 16), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    host_keys, host_queries = unit_rows(given.points, given.dim, 0), unit_rows(given.queries, given.dim, 1)
    index = filled(host_keys, given.device)
    keys, queries = host_keys.to(given.device), host_queries.to(given.device)
    coarse = Coarse.of(keys) if bfloat16_is_faster(given.device, given.dim) else None
    candidates: dict[str, Callable[[], object]] = {
        "product": lambda: queries @ keys.T,
        "product_and_sort": lambda: (queries @ keys.T).topk(given.k, dim=1),
        "top_k": lambda: exact_top_k(queries, keys, given.k, coarse),
        "index_search": lambda: index.search(queries, given.k),
    }
    for action in candidates.values():
        action()  # the first call of each allocates
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(given.rounds):
        for name, action in candidates.items():
            times[name].append(milliseconds(action, given.device))
    ms = {name: round(median(values), 1) for name, values in times.items()}
    truth = (queries @ keys.T).topk(given.k, dim=1).indices.cpu().tolist()
    found = [{one.int - 1 for one in row} for row in index.search(queries, given.k).ids]
    recall = float(np.mean([len(set(right) & row) / given.k for right, row in zip(truth, found, strict=True)]))
    about = {"points": given.points, "dim": given.dim, "queries": given.queries, "k": given.k, "device": given.device}
    machine = {"threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability()}
    ratio = round(ms["index_search"] / ms["product"], 2)
    print(json.dumps({**about, **machine, "bfloat16_first": coarse is not None, "ms": ms, "ratio_to_product": ratio,
                      "recall": recall}))  # fmt: skip


if __name__ == "__main__":
    main()
