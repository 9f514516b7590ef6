"""Masks: what is computed of them beside the plain way of doing so, with equal results.

    python benchmarks/masks.py [--rounds 5] [--threads 0] [--only merge]

Prints a table: milliseconds of wall time and of the processor (medians of the rounds, which take turns) of both ways,
and the plain way's over ours. Asserted is only that results are equal.

merge    100 soft masks to 1024 x 1024: FC-CLIP's loop over full-size masks, and `panoptic_merge`; to 50 megapixels
map      276 superpixels of 360 x 480: the tensor (n, y, x) of the masks, and their map
pooling  100 masks of 160 x 240 on a grid of 1536 x 20 x 30: a plain product, `mask_pooling`, and a network on each crop
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.algorithms.panoptic_merge import FCCLIP, panoptic_merge
from retclip.types import MaskLogits, MaskMap, MaskProposals
from retclip.workflows.segment.masks import boxes, painted

SIDE, CELLS, MASKS = 1024, 256, 100
Ways = dict[str, Callable[[], Any]]


def measured(ways: Ways, rounds: int) -> dict[str, tuple[float, float]]:
    """Return milliseconds of wall time and of the processor of each way; the ways take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):  # the first one allocates
        for name, action in ways.items():
            wall, spent = time.perf_counter(), time.process_time()
            action()
            times[name].append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - spent)))
    return {
        name: (median(w for w, _ in several[1:]), median(c for _, c in several[1:])) for name, several in times.items()
    }


def told(what: str, ways: Ways, rounds: int) -> None:
    """Print a row for each way after the first, which is the plain one."""
    (plain, first), *others = measured(ways, rounds).items()
    for name, way in others:
        ratios = " / ".join(f"{a / b:.1f}" for a, b in zip(first, way, strict=True))
        print(
            f"| {what} | {plain} {first[0]:.1f} / {first[1]:.1f} | {name} {way[0]:.1f} / {way[1]:.1f} | {ratios} |",
            flush=True,
        )


def plain_merge(masks: Tensor, scores: Tensor, size: tuple[int, int]) -> tuple[Tensor, list[tuple[int, int]]]:
    """Return the label map and (class, area) of each segment by FC-CLIP's loop, all classes things. masks: logits."""
    probabilities = F.interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0].sigmoid()
    best, labels = scores.max(dim=1)
    owners = (best[:, None, None] * probabilities).argmax(dim=0)
    label_map, segments = torch.zeros(size, dtype=torch.int32), []
    for n in range(len(masks)):
        present = int((probabilities[n] >= 0.5).sum())
        mask = (owners == n) & (probabilities[n] >= 0.5)
        won = int((owners == n).sum())
        if won and present and int(mask.sum()) and won / present >= FCCLIP.overlap_threshold:
            segments.append((int(labels[n]), int(mask.sum())))
            label_map[mask] = len(segments)
    return label_map, segments


def soft_masks(kind: str) -> Tensor:
    """Return (n, y, x) logits: squares side by side, or overlapping discs, or noise in which all masks lose."""
    generator = torch.Generator().manual_seed(0)
    if kind == "noise":
        return torch.randn(MASKS, CELLS, CELLS, generator=generator)
    y, x = (torch.arange(CELLS) + 0.5)[:, None], torch.arange(CELLS) + 0.5
    side = CELLS / MASKS**0.5
    if kind == "side by side":
        edges = [((n // 10) * side, (n % 10) * side) for n in range(MASKS)]
        inside = [
            torch.minimum(torch.minimum(y - a, a + side - y), torch.minimum(x - b, b + side - x)) for a, b in edges
        ]
        return torch.stack(inside).clamp(-10, 10)
    places = torch.rand(MASKS, 3, generator=generator)
    discs = [10 + 30 * r - ((y - CELLS * a) ** 2 + (x - CELLS * b) ** 2).sqrt() for a, b, r in places.tolist()]
    return torch.stack(discs).clamp(-10, 10)


def merge(rounds: int) -> None:
    """Compare the merge."""
    scores = torch.rand(MASKS, 20, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.5
    void, things = torch.zeros(MASKS), torch.ones(20, dtype=torch.bool)
    for kind in ("side by side", "overlapping", "noise"):
        values = soft_masks(kind)
        logits = MaskLogits(values, (SIDE, SIDE), (SIDE, SIDE))
        ours, _, segments = panoptic_merge(logits, scores, void, things, (SIDE, SIDE))
        plain, pairs = plain_merge(values, scores, (SIDE, SIDE))
        assert [segment.class_index for segment in segments] == [label for label, _ in pairs]
        assert float((ours != plain).float().mean()) < 1e-5, "ties alone may differ"
        told(f"merge, {kind}, {len(segments)} segments", {
            "plain loop": lambda v=values: plain_merge(v, scores, (SIDE, SIDE)),
            "panoptic_merge": lambda m=logits: panoptic_merge(m, scores, void, things, (SIDE, SIDE)),
        }, rounds)  # fmt: skip


def large_merge() -> None:
    """Print the memory that a merge at 50 megapixels takes."""
    size, values = (6124, 8164), soft_masks("overlapping")
    logits = MaskLogits(values, (SIDE, SIDE), (SIDE, SIDE))
    scores = torch.rand(MASKS, 20, generator=torch.Generator().manual_seed(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, spent = time.perf_counter(), time.process_time()
    panoptic_merge(logits, scores, torch.zeros(MASKS), torch.ones(20, dtype=torch.bool), size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"merge at 50 megapixels: {time.perf_counter() - wall:.1f} s, {time.process_time() - spent:.1f} s of the "
          f"processor, the process takes {peak:.0f} MiB at most, {before:.0f} before", flush=True)  # fmt: skip


def superpixels(height: int = 360, width: int = 480, count: int = 276) -> MaskMap:
    """Return a map of irregular patches: the nearest of random points."""
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(2)) * torch.tensor([height, width])
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    cells = torch.stack([y.flatten(), x.flatten()], dim=1)
    return MaskMap(torch.cdist(cells, points).argmin(dim=1).view(height, width), count)


def maps(rounds: int) -> None:
    """Compare a map of masks with the tensor that it stands for."""
    form, size = superpixels(), (360, 480)
    dense, grid = form.drawn(), torch.rand(432, 28, 40)
    as_map, as_tensor = (MaskProposals(masks, torch.ones(form.count), size) for masks in (form, dense))
    scores, void, things = torch.rand(form.count, 11), torch.zeros(form.count), torch.arange(11) % 2 == 0

    def pooled(masks: Tensor | MaskMap) -> Tensor:
        return mask_pooling(grid, area_weights(masks, (28, 40)))[0]

    def merged(masks: Tensor | MaskMap) -> Any:
        return panoptic_merge(masks, scores, void, things, (480, 640))

    assert torch.allclose(pooled(form), pooled(dense), atol=1e-5)
    assert boxes(as_map).tolist() == boxes(as_tensor).tolist()
    assert list(painted(as_map)) == list(painted(as_tensor))
    assert float((merged(form)[0] != merged(dense)[0]).float().mean()) < 1e-5
    steps: dict[str, Ways] = {
        "boxes": {"tensor": lambda: boxes(as_tensor), "map": lambda: boxes(as_map)},
        "weights and pooling": {"tensor": lambda: pooled(dense), "map": lambda: pooled(form)},
        "run lengths": {"tensor": lambda: list(painted(as_tensor)), "map": lambda: list(painted(as_map))},
        "merge to 480 x 640": {"tensor": lambda: merged(dense), "map": lambda: merged(form)},
    }
    for name, ways in steps.items():
        told(f"{form.count} superpixels, {name}", ways, rounds)
    told(f"{form.count} superpixels, all of it", {
        way: lambda way=way: [ways[way]() for ways in steps.values()] for way in ("tensor", "map")
    }, rounds)  # fmt: skip


def pooling(rounds: int) -> None:
    """Compare pooling with the plain product and with a network on each crop."""
    generator = torch.Generator().manual_seed(3)
    grid = torch.randn(1536, 20, 30, generator=generator)
    masks = F.avg_pool2d((torch.rand(1, MASKS, 160, 240, generator=generator) > 0.5).float(), 9, 1, 4)[0]

    def product(weights: Tensor) -> Tensor:
        return torch.einsum("nhw,dhw->nd", weights, grid) / weights.sum(dim=(1, 2))[:, None]

    def by_area() -> Tensor:
        return product(F.interpolate(masks[:, None], size=(20, 30), mode="area")[:, 0])

    def bilinear() -> Tensor:
        return product(F.interpolate(masks[:, None], size=(20, 30), mode="bilinear", align_corners=False)[:, 0])

    def ours() -> Tensor:
        return mask_pooling(grid, area_weights(masks, (20, 30)))[0]

    assert torch.allclose(ours(), by_area(), atol=1e-4)
    told("pooling, 100 masks", {"area resize and product": by_area, "mask_pooling": ours}, rounds * 5)
    told("pooling, 100 masks", {"bilinear samples and product": bilinear, "mask_pooling": ours}, rounds * 5)
    try:
        import timm
    except ImportError:
        return
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True).eval()
    crops = torch.randn(MASKS, 3, 224, 224, generator=generator)
    with torch.inference_mode():
        told(
            "pooling, 100 masks",
            {"lite0 on each crop": lambda: [network(crop[None]) for crop in crops], "mask_pooling": ours},
            1,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--only", default="", choices=["", "merge", "map", "pooling"])
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; milliseconds, wall / processor"
    )
    print("| what | plain | ours | plain over ours |\n|---|---|---|---:|")
    if asked.only in ("", "merge"):
        large_merge()
    for name, part in (("map", maps), ("pooling", pooling), ("merge", merge)):
        if asked.only in ("", name):
            part(asked.rounds)


if __name__ == "__main__":
    main()
