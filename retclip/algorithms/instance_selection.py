"""Object instances from soft masks and class scores, by FC-CLIP's rule (method.md 1.8).

1. The k best of all n * c pairs of mask and class are selected, stuff included.
2. Pairs of stuff classes are dropped *after* that, so they count towards k.
3. An instance's score is its class score times the mean probability of the mask's pixels (those above 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.algorithms.mask_frames import count_and_size, pixel_probabilities
from retclip.types import MaskLogits, MaskMap

BATCH, CHUNK = 16, 1 << 24  # masks upsampled at once, and pixels of them: 64 MB of float32


@dataclass(frozen=True, eq=False)
class Instances:
    """m object instances of one image.

    masks: (m, H, W) bool.
    classes: (m,) int64 class indices.
    scores: (m,) float32 in [0, 1].
    proposals: (m,) int64, index of the mask proposal that each comes from.
    """

    masks: Tensor
    classes: Tensor
    scores: Tensor
    proposals: Tensor


def instance_selection(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits,
    scores: Float[Tensor, "n c"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int] | None = None,
    k: int = 100,
) -> Instances:
    """Return the instances, best pair of mask and class first.

    masks: (n, y, x) probabilities in [0, 1], a map of masks, or logits in a padded frame.
    scores: (n, c) in [0, 1], already multiplied by 1 - void.
    is_thing: (c,) True for countable classes.
    size: (H, W) of the returned masks; None = that of `masks`.
    k: pairs selected, things and stuff together.

    Worked example: two masks, classes (thing, stuff), scores ((.9, .2), (.1, .8)), k = 2: the pairs (0, thing) and
    (1, stuff) are taken, the second is dropped, one instance is left.
    """
    size = size or count_and_size(masks)[1]
    parts = list(instances_in_parts(masks, scores, is_thing, size, k))
    fields = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("masks", "classes", "scores", "proposals")
    )
    return Instances(*fields)


def instances_in_parts(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits,
    scores: Float[Tensor, "n c"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int],
    k: int = 100,
) -> Iterator[Instances]:
    """Yield the instances of `instance_selection` in batches, best first: 100 masks of a large photo fill a gigabyte.

    At least one batch is yielded, an empty one where no pair is a thing.
    """
    classes = scores.shape[1]
    best = scores.flatten().topk(min(k, scores.numel()))  # (k,)
    proposals, labels = best.indices // max(1, classes), best.indices % max(1, classes)  # (k,), (k,)
    things = is_thing.to(labels.device)[labels]  # (k,)
    proposals, labels, values = proposals[things], labels[things], best.values[things]  # (m,) each
    step = max(1, min(BATCH, CHUNK // max(1, size[0] * size[1])))
    for start in range(0, max(1, len(labels)), step):
        part = slice(start, start + step)
        probabilities = pixel_probabilities(masks, proposals[part], size)  # (b, H, W)
        binary = probabilities > 0.5  # (b, H, W)
        mean = (probabilities * binary).sum(dim=(1, 2)) / (binary.sum(dim=(1, 2)) + 1e-6)  # (b,)
        yield Instances(binary, labels[part], values[part].float() * mean, proposals[part])
