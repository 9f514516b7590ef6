"""What becomes of the classifiers' scores before they are combined: "no object" of some classes, classes ruled out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from retclip.types import ClassScores, Neighbours


def without_void_of_some(scores: Sequence[ClassScores]) -> list[ClassScores]:
    """Return the scores without the "no object" of a source that abstains for a class which another one knows.

    What it takes for none of the classes may be that one: labels of a network know no sky, a store may.
    """
    return [
        replace(source, void=None) if lack else source for source, lack in zip(scores, lacking(scores), strict=True)
    ]


def lacking(scores: Sequence[ClassScores]) -> list[bool]:
    """Return of each source whether it abstains for a class that another one knows."""
    knows = [source.knows.cpu() for source in scores]
    return [any(bool((other & ~own).any()) for m, other in enumerate(knows) if m != n) for n, own in enumerate(knows)]


def pruned(scores: Sequence[ClassScores], possible: Tensor | None, neighbours: Neighbours | None) -> list[ClassScores]:
    """Return the scores with 0 for classes that are ruled out; the shares of their neighbours become 0, too.

    possible: (n, c) bool; None = none is ruled out.
    """
    if possible is None:
        return list(scores)
    possible_scores = [replace(source, values=source.values * possible.to(source.values.device)) for source in scores]
    if neighbours is None:
        return possible_scores
    classes = neighbours.classes.clamp(0, possible.shape[1] - 1)  # (n, k); where none of them is, there is no share
    voting = possible.to(classes.device).gather(1, classes)  # (n, k)
    return [
        source if source.shares is None else replace(source, shares=source.shares * voting)
        for source in possible_scores
    ]
