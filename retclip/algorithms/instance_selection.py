"""Object instances from soft masks and class scores, by FC-CLIP's rule (method.md 1.8).

1. The k best of all n * c pairs of mask and class are taken, stuff included.
2. Pairs of stuff classes are dropped *after* that: they use up places.
3. A pair's score is its class score times the mean probability of the mask's own pixels (those above one half).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.algorithms.mask_frames import count_and_size, painted
from retclip.types import MaskLogits

BATCH, CHUNK = 16, 1 << 24  # masks painted at once, and pixels of them: 64 MB of float32


@dataclass(frozen=True, eq=False)
class Instances:
    """masks: (m, H, W) bool. classes: (m,) int64. scores: (m,) float32 in [0, 1]. proposals: (m,) int64, the mask."""

    masks: Tensor
    classes: Tensor
    scores: Tensor
    proposals: Tensor


def instance_selection(
    masks: Float[Tensor, "n y x"] | MaskLogits,
    scores: Float[Tensor, "n c"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int] | None = None,
    k: int = 100,
) -> Instances:
    """The instances, best pair first. scores: already times 1 - void. size: (H, W), None = the masks' own.

    Worked example: two masks, classes (thing, stuff), scores ((.9, .2), (.1, .8)), k = 2: the pairs (0, thing) and
    (1, stuff) are taken, the second is dropped, one instance is left.
    """
    size = size or count_and_size(masks)[1]
    parts = list(instances_in_parts(masks, scores, is_thing, size, k))
    fields = (torch.cat([getattr(one, name) for one in parts]) for name in ("masks", "classes", "scores", "proposals"))
    return Instances(*fields)


def instances_in_parts(
    masks: Float[Tensor, "n y x"] | MaskLogits,
    scores: Float[Tensor, "n c"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int],
    k: int = 100,
) -> Iterator[Instances]:
    """The same a few at a time, best first, for those who keep no mask: a hundred of a large photo fill a gigabyte.

    At least one part comes, where there is nothing an empty one.
    """
    classes = scores.shape[1]
    best = scores.flatten().topk(min(k, scores.numel()))
    proposals, labels = best.indices // max(1, classes), best.indices % max(1, classes)
    things = is_thing.to(labels.device)[labels]
    proposals, labels, values = proposals[things], labels[things], best.values[things]
    step = max(1, min(BATCH, CHUNK // max(1, size[0] * size[1])))
    for start in range(0, max(1, len(labels)), step):
        part = slice(start, start + step)
        full = painted(masks, proposals[part], size)
        found = full > 0.5
        inside = (full * found).sum(dim=(1, 2)) / (found.sum(dim=(1, 2)) + 1e-6)
        yield Instances(found, labels[part], values[part].float() * inside, proposals[part])
