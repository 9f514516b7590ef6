"""The margin of a label: the smallest set of neighbours without which a mask would have another one.

Sets are tried by size: while there are few enough, every set of the mask's voters; beyond, the greedy one alone, the
voters of the label's own class that give it most, the nearest of equals first. So a set that was found is the smallest
where all smaller ones were tried (`exact`), else an upper bound. A mask of a tree has its leaves' voters, too. Sets of
more neighbours than evidence keeps further ones (`retrieval.further`) are not tried: their places would stay empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.evidence import Evidence
from retclip.workflows.explain.replay import Decision, Rows, Voters, decide_again, label_of, required_inputs

TRIED = 600  # sets of one size at most
BATCH_ROWS = 4000  # rows that are decided together


@dataclass(frozen=True)
class Margin:
    """What would have to go for another label.

    segments: the smallest set of voters that was found; empty where none was.
    tried: the largest size of a set that was tried.
    label: the class then, None = the mask would be no segment.
    exact: whether every smaller set was tried.
    """

    segments: tuple[UUID, ...]
    label: str | None
    exact: bool
    tried: int

    def told(self, label: str) -> str:
        """Return it in one sentence. label: as it is."""
        if not self.segments:
            return f"{label} without any {self.tried} of its neighbours, as far as they were tried"
        shown = ", ".join(str(segment)[:8] for segment in self.segments[:4])
        more = ", ..." if len(self.segments) > 4 else ""
        size, at_most = len(self.segments), "" if self.exact else "at most "
        few = "neighbour" if size == 1 else "neighbours"
        return f"{self.label or 'no segment'} without {at_most}{size} {few}: {shown}{more}"


def margin(evidence: Evidence, mask: int, rows: Rows, then: Decision, voters: Voters) -> Margin | None:
    """Return the margin of a mask's label; None for a mask without a label or without voters.

    rows, then: what decides it, and its decision as it was (`replayed`).
    voters: the classifiers that vote with neighbours, as they were set then.
    Classes of which the store would have no segment left are not looked at: a few neighbours are not all of a class.
    """
    label = int(label_of(evidence, evidence.combined[[mask]], evidence.void[[mask]])[0])
    ids, own = _voters_by_weight(rows, then, label)
    if label < 0 or not ids:
        return None
    largest = min(len(ids), required_inputs(evidence).further)
    exact = True
    for size in range(1, largest + 1):
        few = comb(len(ids), size) <= TRIED
        if not few and size > len(own):
            break
        sets = combinations(ids, size) if few else iter([tuple(own[:size])])
        flipped = _first_flip(evidence, rows, voters, sets, label)
        if flipped is not None:
            segments, now = flipped
            return Margin(segments, evidence.vocabulary.names[now] if now >= 0 else None, exact, size)
        exact = exact and few
    return Margin((), None, False, largest)


def _voters_by_weight(rows: Rows, then: Decision, label: int) -> tuple[list[UUID], list[UUID]]:
    """Return the voters of all rows, and those of the label's class, who gives it most first."""
    near = then.neighbours
    shares = next((source.shares for source in then.scores if source.shares is not None), None)
    gifts = torch.zeros_like(near.distances) if shares is None else shares * rows.weight[:, None]
    ranks: dict[UUID, tuple[float, float]] = {}
    own = set[UUID]()
    for row, column in zip(*np.nonzero(near.classes.numpy() >= 0), strict=True):
        segment, is_own = near.ids[row, column], int(near.classes[row, column]) == label
        much, far = ranks.get(segment, (0.0, float("inf")))
        ranks[segment] = (
            much - float(gifts[row, column]) * is_own, min(far, float(near.distances[row, column]))
        )  # fmt: skip
        own |= {segment} if is_own else set()
    against = set(near.negatives.ids) if near.negatives else set()  # without one, others would vote, too
    ranks = {segment: rank for segment, rank in ranks.items() if segment not in against}
    ordered = sorted(ranks, key=lambda segment: ranks[segment])
    return ordered, [segment for segment in ordered if segment in own]


def _first_flip(
    evidence: Evidence, rows: Rows, voters: Voters, sets: Iterator[tuple[UUID, ...]], label: int
) -> tuple[tuple[UUID, ...], int] | None:
    """Return the first of the sets without which the label is another one, and that label."""
    size = max(1, BATCH_ROWS // len(rows.owner))
    while batch := [segments for segments, _ in zip(sets, range(size), strict=False)]:
        repeated = rows.repeated(len(batch))
        decided = decide_again(evidence, repeated, voters, _places(rows, batch))
        labels = label_of(evidence, decided.combined, decided.void).tolist()
        for segments, now in zip(batch, labels, strict=True):
            if now != label:
                return segments, now
    return None


def _places(rows: Rows, batch: Sequence[tuple[UUID, ...]]) -> NDArray[np.bool_]:
    """Return (b * r, m) bool, the places of each set in its own copy of the rows."""
    numbers: dict[UUID | None, int] = {}
    ids = rows.every.ids
    codes = np.array([[numbers.setdefault(segment, len(numbers)) for segment in row] for row in ids], dtype=np.int64)
    gone = np.zeros((len(batch), len(numbers)), dtype=bool)
    for place, segments in enumerate(batch):
        for segment in segments:
            if segment in numbers:
                gone[place, numbers[segment]] = True
    if None in numbers:
        gone[:, numbers[None]] = False
    codes = codes.reshape(ids.shape)
    width = ids.shape[1]
    answer: NDArray[np.bool_] = gone[:, codes].reshape(-1, width)
    return answer
