"""Trust in the label of a stored segment: how near its own class is, beside the nearest other class.

For a segment x of class y, with cosine distances to the segments of *other* photos:

    a = mean distance to the m nearest of class y              b = the least such mean of any other class
    trust = (b + e) / (a + b + 2 e)                            e = 1e-4

So trust is 1/2 where both are equally near, above where its own class is nearer, towards 0 where another class has its
like and its own has not. That other class is the suggested one; its share is 1 - trust. It is the strangeness of
transductive confidence machines (Proedrou et al., ECML 2002: like over unlike distances) with the unlike taken class by
class, brought to [0, 1].

Size of a class: each class is judged by its m nearest alone, over as many as it has where these are fewer, so a class
of three segments needs no crowd, and one of thousands gains nothing by it. A share of the k nearest of all classes
would be filled by frequent classes, however k is chosen (docs/audit.md has the comparison).

Own photo: segments of the same photo never count, for they are labelled by the same hand at the same moment. Photos
that show nearly the same, frames of a video say, are to be given one number.

Degenerate cases: no segment of its class in another photo, or no other class anywhere: no trust (NaN), and none is
invented. a = b = 0: 1/2. e is what float16 vectors leave open: copies are equally near, whatever the last bits say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

NEAREST = 3  # m; chosen on training photos and training scenes, see docs/audit.md
ROUNDING = 1e-4  # e
SCORES = 1 << 26  # of a product that is kept at once: 256 MB of float32


@dataclass(frozen=True, eq=False)
class Labelled:
    """Vectors with their labels.

    vectors: (n, d) float32 of unit length.
    classes: (n,) int64, any numbers.
    photos: (n,) int64; equal numbers do not speak for each other.
    """

    vectors: Float[Tensor, "n d"]
    classes: Int64[Tensor, " n"]
    photos: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: Tensor) -> Labelled:
        """Take some of them: (m,) int64 rows or (n,) bool."""
        return Labelled(self.vectors[rows], self.classes[rows], self.photos[rows])


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """Mean distances of segments to their own class and to the nearest other one.

    own: (n,) float32, a; inf = no segment of its class in another photo.
    other: (n,) float32, b; inf = none of another class.
    suggested: (n,) int64, that other class; -1 = none.
    """

    own: Float[Tensor, " n"]
    other: Float[Tensor, " n"]
    suggested: Int64[Tensor, " n"]

    def trust(self) -> Float[Tensor, " n"]:
        """Compute the trust in [0, 1], NaN for none."""
        value = (self.other + ROUNDING) / (self.own + self.other + 2 * ROUNDING)
        known = torch.isfinite(self.own) & torch.isfinite(self.other)
        return torch.where(known, value, torch.full_like(value, torch.nan))


def class_means(queries: Labelled, stored: Labelled, nearest: int = NEAREST) -> ClassMeans:
    """Compare each segment with its own class and with every other one, by blocks of one matrix product.

    queries: n segments.
    stored: all segments, those that are asked for among them.
    nearest: m, at least 1.

    Worked example with m = 2: x of class cat in photo 1; cats at 0.1 (photo 1), 0.2 and 0.4, dogs at 0.1 and 0.3, a cow
    at 0.25. The cat of its own photo does not count, so a = (0.2 + 0.4) / 2 = 0.3; dog: 0.2, cow: 0.25, so b = 0.2 and
    dog is suggested. trust = 0.2001 / 0.5002 = 0.400.
    """
    count = len(queries)
    own = torch.full((count,), torch.inf, device=queries.vectors.device)
    other, suggested = own.clone(), torch.full_like(queries.classes, -1)
    for rows, number, mean in _means_by_class(queries, stored, nearest):
        mine = queries.classes[rows] == number
        own[rows] = torch.where(mine, mean, own[rows])
        better = ~mine & (mean < other[rows])
        other[rows] = torch.where(better, mean, other[rows])
        suggested[rows] = torch.where(better, torch.full_like(suggested[rows], number), suggested[rows])
    return ClassMeans(own, other, suggested)


def distances_to_classes(
    queries: Labelled, stored: Labelled, numbers: Int64[Tensor, " c"], nearest: int = NEAREST
) -> Float[Tensor, "n c"]:
    """Compute the mean distance of each segment to every class, a of its own class and those that b is the least of.

    queries: n segments.
    stored: all segments, those that are asked for among them.
    numbers: (c,) every number in `stored.classes`, ascending.
    nearest: m, at least 1.
    Returns float32; inf = no segment of the class in another photo. Of x in the worked example of `class_means`: cat
    0.3, dog 0.2, cow 0.25.
    """
    found = torch.full((len(queries), len(numbers)), torch.inf, device=queries.vectors.device)
    columns = {number: column for column, number in enumerate(numbers.tolist())}
    for rows, number, mean in _means_by_class(queries, stored, nearest):
        found[rows, columns[number]] = mean
    return found


def updated_means(
    before: ClassMeans, queries: Labelled, stored: Labelled, touched: Tensor, nearest: int = NEAREST
) -> tuple[ClassMeans, Bool[Tensor, " n"]]:
    """Bring means up to date after some classes won or lost segments; returns them, and which of them changed. They
    equal what `class_means` computes anew.

    before: of the same segments, whose classes and vectors are as they were.
    queries: n segments.
    stored: all segments as they are now.
    touched: (t,) int64, the classes that won or lost a segment; every other class is as it was.

    A class that was not touched keeps its mean. So only means of touched classes are computed, and a segment whose
    suggested class was touched, and may be no longer the nearest, is compared with all again.
    """
    is_touched = torch.isin(queries.classes, touched)
    again = torch.isin(before.suggested, touched)
    part = class_means(queries, stored[torch.isin(stored.classes, touched)], nearest)
    own = torch.where(is_touched, part.own, before.own)
    ties = (part.other == before.other) & (part.suggested < before.suggested)  # of equal ones the smaller number
    nearer = (part.other < before.other) | ties
    other = torch.where(nearer, part.other, before.other)
    suggested = torch.where(nearer, part.suggested, before.suggested)
    if bool(again.any()):
        whole = class_means(queries[again], stored, nearest)
        other[again], suggested[again] = whole.other, whole.suggested
    changed = (own != before.own) | (other != before.other) | (suggested != before.suggested)
    return ClassMeans(own, other, suggested), changed


def mean_of_nearest(distances: Float[Tensor, "b n"], nearest: int) -> Float[Tensor, " b"]:
    """Average the smallest distances of each row, over as many as are finite where these are fewer; inf for none."""
    best = distances.topk(min(nearest, distances.shape[1]), dim=1, largest=False).values  # (b, m)
    there = torch.isfinite(best)
    total = torch.where(there, best, torch.zeros_like(best)).sum(1)
    members = there.sum(1)
    return torch.where(members > 0, total / members.clamp(min=1), torch.full_like(total, torch.inf))


def _means_by_class(queries: Labelled, stored: Labelled, nearest: int) -> Iterator[tuple[slice, int, Tensor]]:
    """Yield rows of segments, a class, and their (b,) mean distances to it, by blocks of one matrix product."""
    stored = stored[stored.classes.argsort(stable=True)]
    numbers, sizes = torch.unique_consecutive(stored.classes, return_counts=True)
    step = max(1, SCORES // max(1, len(stored)))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        near = _near(queries[torch.arange(rows.start, rows.stop, device=queries.vectors.device)], stored)  # (b, n)
        for number, near_class in zip(numbers.tolist(), near.split(sizes.tolist(), dim=1), strict=True):
            yield rows, number, mean_of_nearest(near_class, nearest)


def _near(queries: Labelled, stored: Labelled) -> Float[Tensor, "b n"]:
    """Compute cosine distances, inf within a photo."""
    with torch.autocast(queries.vectors.device.type, enabled=False):
        products = queries.vectors @ stored.vectors.T
    distances = products.neg_().add_(1.0).clamp_(min=0.0)
    return distances.masked_fill_(queries.photos[:, None] == stored.photos[None, :], torch.inf)
