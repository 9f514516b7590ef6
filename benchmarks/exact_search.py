"""Exact search in memory: 100 masks against 200,000 stored vectors, as a ratio to one plain matrix product.

    python benchmarks/exact_search.py [--points 200000] [--dim 768] [--queries 100] [--k 16] [--device cpu]

Prints one JSON line: milliseconds (median of the rounds; of a CPU the processor's, so that other programs count
less) of the plain product, of product and sort, and of the index's
searches: in all 50 classes, in 49, in half, in 5, with one segment quarantined, and in each of the 50 for itself,
beside one product and a sort per class; their ratios to the plain product; recall against product and sort. Rounds take
turns, so that they share the machine's moods. The vectors are random directions: nothing about them can be guessed.
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

from retclip.store.index.coarse_keys import bfloat16_is_faster
from retclip.store.index.protocol import PAYLOAD, Points
from retclip.store.index.resident import ResidentIndex

CLASSES = 50


def unit_rows(count: int, dim: int, seed: int) -> torch.Tensor:
    """(count, dim) float32 random directions."""
    found = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(found, dim=1)


def filled(keys: torch.Tensor, device: str) -> ResidentIndex:
    """An index that holds the keys, labelled in turn."""
    index = ResidentIndex(keys.shape[1], device)
    payload = np.zeros((len(keys), len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("cat")], payload[:, PAYLOAD.index("rev")] = np.arange(len(keys)) % CLASSES, 1
    index.upsert(Points([uuid.UUID(int=n + 1) for n in range(len(keys))], keys.numpy(), payload))
    return index


def hide_one(index: ResidentIndex, key: np.ndarray) -> None:
    """Quarantine the first segment."""
    payload = np.zeros((1, len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("st")], payload[:, PAYLOAD.index("rev")] = 1, 2
    index.upsert(Points([uuid.UUID(int=1)], key[None], payload))


def sort_per_class(queries: torch.Tensor, keys: torch.Tensor, k: int) -> None:
    """The plain way."""
    scores = queries @ keys.T
    for label in range(CLASSES):
        scores[:, label::CLASSES].topk(k, dim=1)


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("points", 200_000), ("dim", 768), ("queries", 100), ("k", 16), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    host_keys, host_queries = unit_rows(given.points, given.dim, 0), unit_rows(given.queries, given.dim, 1)
    index, hiding = filled(host_keys, given.device), filled(host_keys, given.device)
    hide_one(hiding, host_keys[0].numpy())
    keys, queries, k = host_keys.to(given.device), host_queries.to(given.device), given.k
    candidates: dict[str, Callable[[], object]] = {
        "product": lambda: queries @ keys.T,
        "product_and_sort": lambda: (queries @ keys.T).topk(k, dim=1),
        "search": lambda: index.search(queries, k),
        "in_50_of_50_classes": lambda: index.search(queries, k, range(50)),
        "in_49_of_50": lambda: index.search(queries, k, range(49)),
        "in_25_of_50": lambda: index.search(queries, k, range(25)),
        "in_5_of_50": lambda: index.search(queries, k, range(5)),
        "one_hidden": lambda: hiding.search(queries, k, range(50)),
        "product_and_sort_per_class": lambda: sort_per_class(queries, keys, k),
        "search_per_class": lambda: index.search_per_class(queries, k, range(50)),
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
    ratios = {name: round(value / ms["product"], 2) for name, value in ms.items()}
    coarse = bfloat16_is_faster(given.device, given.dim)
    print(json.dumps({**about, **machine, "bfloat16_first": coarse, "ms": ms, "ratios": ratios, "recall": recall}))


if __name__ == "__main__":
    main()
