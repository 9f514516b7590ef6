"""Prototypes: a few vectors that stand for the stored segments of a class, its mean or the centres of its k-means.

    mean      p = the mean of the class's vectors, brought to unit length                            (count = 1)
    k-means   p_1 .. p_m = the centres of k-means over the class's unit vectors, brought to unit length
    s_c       = softmax over the classes with a prototype of  max over the prototypes p of c of cos(v, p) / t

A class with no more different vectors than `count` keeps each as its own prototype. Segments in quarantine and those
that were rejected for their own label are not to be among the vectors: who collects them leaves them out.
`Prototype.members` traces each back to the vectors that it is made of. k-means is scikit-learn's, seeded, so that the
same vectors give the same prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

SEED = 0


@dataclass(frozen=True, eq=False)
class Prototype:
    """A prototype of a class.

    vector: (d,) float32 of unit length.
    members: (m,) int64 which of the class's vectors it is made of, the nearest to it first.
    """

    vector: NDArray[np.float32]
    members: NDArray[np.int64]


def prototypes(vectors: Float[np.ndarray, "m d"], count: int) -> tuple[Prototype, ...]:
    """Return at most `count` prototypes of a class, that with the most members first.

    vectors: (m, d) float32 of unit length, of the class's segments.
    count: at least 1; 1 = the mean.

    Worked example: (1, 0) and (0, 1) have the mean (0.5, 0.5), so with count = 1 the prototype (0.707, 0.707) of both.
    """
    parts = sorted(_parts(vectors, count), key=lambda part: (-len(part), int(part[0])))
    return tuple(_prototype(vectors, part) for part in parts)


def prototype_scores(
    distances: Float[Tensor, "n p"], owners: Int64[Tensor, "p"], classes: int, temperature: float
) -> Float[Tensor, "n c"]:
    """Return s_c of the module for each mask; a class without a prototype scores 0.

    distances: (n, p) cosine distance of each mask to each prototype, inf = the mask has no vector; then it scores 0.
    owners: (p,) the class of each prototype.
    classes: c, the number of classes.
    temperature: t, above 0.

    Worked example with t = 0.5: distances 0 and 0.5 to the prototypes of two classes are cosines of 1 and 0.5, so 2 and
    1 over t, and the scores 0.731 and 0.269.
    """
    best = distances.new_full((len(distances), classes), -torch.inf)  # (n, c)
    if not len(owners):
        return torch.zeros_like(best)
    target = owners.to(distances.device).expand(len(distances), -1)  # (n, p)
    best = best.scatter_reduce(1, target, 1.0 - distances, reduce="amax")  # (n, c)
    return torch.softmax(best / temperature, dim=1).nan_to_num(0.0)  # a row of -inf alone is 0/0


def _parts(vectors: NDArray[np.float32], count: int) -> list[NDArray[np.int64]]:
    """Return which vectors each prototype is made of, rising."""
    if not len(vectors) or count == 1:
        return [np.arange(len(vectors))] if len(vectors) else []
    different, labels = np.unique(vectors, axis=0, return_inverse=True)
    if len(different) > count:
        from sklearn.cluster import KMeans  # here: it takes a second, and means do without

        means = KMeans(count, random_state=SEED, n_init=1)
        labels = means.fit_predict(vectors.astype(np.float64))
    return [np.flatnonzero(labels == n) for n in np.unique(labels)]


def _prototype(vectors: NDArray[np.float32], part: NDArray[np.int64]) -> Prototype:
    mean = vectors[part].mean(axis=0, dtype=np.float64)  # (d,)
    vector = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return Prototype(vector, part[np.argsort(-(vectors[part] @ vector), kind="stable")])
