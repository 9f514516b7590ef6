"""How far the answers lean towards the classes that the fine-tuning saw, with intervals over the images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retclip.algorithms.bootstrap import drawings, percentile_interval
from retclip.algorithms.seen_bias import COLUMNS, group_counts, shares
from retclip.workflows.evaluation.image_table import ImageTable

MOST_PAIRS = 10


@dataclass(frozen=True)
class Crossing:
    """Annotated segments of one group of classes that are called a class of the other."""

    annotated: str
    called: str
    segments: int


@dataclass(frozen=True)
class SeenBias:
    """How often a segment of one group of classes is called a class of the other, percent.

    unseen_as_seen, seen_as_unseen: None where no segment of the group is annotated.
    unseen, seen: annotated segments.
    unseen_as_seen_interval, seen_as_unseen_interval: (low, high); None without drawings.
    crossings: the most frequent ones.
    """

    unseen_as_seen: float | None
    seen_as_unseen: float | None
    unseen: int
    seen: int
    unseen_as_seen_interval: tuple[float, float] | None
    seen_as_unseen_interval: tuple[float, float] | None
    crossings: tuple[Crossing, ...]


def seen_bias(table: ImageTable, names: Sequence[str], seen: Sequence[bool], count: int, seed: int) -> SeenBias:
    """Return the bias over the images of a table.

    seen: (c,) whether the fine-tuning saw a class.
    count: bootstrap drawings; seed: of them.
    """
    of_image = np.zeros((len(table.names), len(COLUMNS)))
    for image, *pair in table.called().tolist():
        of_image[image] += group_counts([tuple(pair)], seen)
    whole = of_image.sum(axis=0)
    drawn = [shares(weights @ of_image) for weights in drawings(len(of_image), count, seed)]
    drawn_shares = np.concatenate(drawn) if drawn else np.zeros((0, 2))
    ends = [percentile_interval(column) for column in drawn_shares.T]
    low_high = [None if pair is None else (100 * pair[0], 100 * pair[1]) for pair in ends]
    first, second = (None if math.isnan(share) else 100 * float(share) for share in shares(whole[None])[0])
    crossings = _crossings(table, names, seen)
    return SeenBias(first, second, int(whole[1]), int(whole[3]), low_high[0], low_high[1], crossings)


def _crossings(table: ImageTable, names: Sequence[str], seen: Sequence[bool]) -> tuple[Crossing, ...]:
    pairs: Counter[tuple[int, int]] = Counter()
    for _, annotated, called, segments in table.called().tolist():
        if called < len(names) and bool(seen[annotated]) is not bool(seen[called]):
            pairs[annotated, called] += segments
    most = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_PAIRS]
    return tuple(Crossing(names[annotated], names[called], segments) for (annotated, called), segments in most)
