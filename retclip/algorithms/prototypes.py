"""Prototypes: a few vectors that stand for the stored segments of a class, its mean or the centres of its k-means.

    mean      p = the mean of the class's vectors, brought to unit length                            (count = 1)
    k-means   p_1 .. p_m = the centres of k-means over the class's unit vectors, brought to unit length
    s_c       = softmax over the classes with a prototype of  max over the prototypes p of c of cos(v, p) / t

A class with no more vectors than `count` keeps each as its own prototype. Segments in quarantine and negative examples
are not to be among the vectors: who collects them leaves them out. `Prototypes.members` traces each prototype back to
the vectors that it is made of. k-means is scipy's, seeded, so that the same vectors give the same prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor

ITERATIONS, SEED = 20, 0


@dataclass(frozen=True, eq=False)
class Prototypes:
    """The prototypes of some classes.

    vectors: (p, d) float32 of unit length.
    classes: (p,) int64 the class of each.
    members: for each the indices of the vectors that it is made of, rising.
    """

    vectors: Tensor
    classes: Tensor
    members: tuple[NDArray[np.int64], ...]


def prototypes(vectors: Float[Tensor, "m d"], classes: Int64[Tensor, "m"], count: int) -> Prototypes:
    """Return at most `count` prototypes of each class, class by class.

    vectors: (m, d) unit length.
    classes: (m,) class index of each.
    count: at least 1; 1 = the mean.

    Worked example: (1, 0) and (0, 1) of one class have the mean (0.5, 0.5), so the prototype (0.707, 0.707) of both.
    """
    of_each, labels = classes.cpu().numpy(), list[int]()
    centres, members = list[NDArray[np.float32]](), list[NDArray[np.int64]]()
    for label in np.unique(of_each).tolist():
        at = np.flatnonzero(of_each == label)
        for part in _parts(vectors[torch.from_numpy(at)].float().cpu().numpy(), count):
            centre = vectors[torch.from_numpy(at[part])].float().cpu().numpy().mean(axis=0)
            centres.append(centre / max(float(np.linalg.norm(centre)), 1e-12))
            members.append(at[part])
            labels.append(label)
    table = np.stack(centres) if centres else np.zeros((0, vectors.shape[1]), dtype=np.float32)
    return Prototypes(
        torch.from_numpy(table).to(vectors.device), torch.tensor(labels, dtype=torch.int64), tuple(members)
    )


def prototype_scores(
    vectors: Float[Tensor, "n d"], found: Prototypes, classes: int, temperature: float
) -> Float[Tensor, "n c"]:
    """Return s_c of the module for each mask; a class without a prototype scores 0.

    vectors: (n, d) unit length, of the masks.
    classes: c, the number of classes.
    temperature: t, above 0.

    Worked example with t = 0.5: cosines 1 and 0.5 with the prototypes of two classes are 2 and 1 over t, so the scores
    0.731 and 0.269.
    """
    best = vectors.new_full((len(vectors), classes), -torch.inf)  # (n, c)
    if not len(found.vectors):
        return torch.zeros_like(best)
    cosines = vectors @ found.vectors.to(vectors).T  # (n, p)
    target = found.classes.to(vectors.device).expand(len(vectors), -1)  # (n, p)
    return torch.softmax(best.scatter_reduce(1, target, cosines, reduce="amax") / temperature, dim=1)


def _parts(vectors: NDArray[np.float32], count: int) -> list[NDArray[np.int64]]:
    """Return the indices of the vectors of each prototype."""
    number = len(vectors)
    if count == 1:
        return [np.arange(number)]
    if number <= count:
        return [np.array([n]) for n in range(number)]
    _, labels = kmeans2(vectors.astype(np.float64), count, iter=ITERATIONS, minit="++", seed=SEED, missing="warn")
    parts = [np.flatnonzero(labels == n) for n in range(count)]
    return [part for part in parts if len(part)]
