"""The nearest points of the classes that were asked for, from an engine that can scan and can walk a graph.

A graph alone loses them. Walked under a filter it finds 57 to 86 % of the true neighbours among 100,000 and 200,000
points (benchmarks/README.md), because what the filter hides parts it; walked without one, it misses classes of few
points, which nothing outside links to. So three searches answer together:

1. classes of few points are scanned;
2. the graph is walked without a filter, a little further than asked, and what was not asked for is dropped;
3. who then has fewer neighbours than asked, or some beyond where the walk ended, is scanned in all that was asked for:
   a mask that resembles none of the classes.

Scans are exact and cost as much as they have points. While all that was asked for has not WALK_FROM times `scanned`
points a scan costs less than those three searches, and is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from retclip.store.index.protocol import CLASS, PAYLOAD, STATE

RARE = 100  # points of a class: some links (a point has 16 to 32) lead out of larger ones, so that they are met
WALK_FROM = 18  # times `scanned` points: of 100,000 a scan takes 0.43 s, a walk that finds 0.98 of the neighbours 1.5 s
BEYOND = 2  # how many times k the walk brings; its far end is less sure than its beginning
Row = list[float]  # a query
Found = list[list[Any]]  # per query the engine's scored points, nearest first


class Engine(Protocol):
    """The searches of an engine. Each answer has at most k points per row, with payload."""

    def sizes(self) -> Mapping[int, int]:
        """Count the points with state 0 of each class."""

    def scan(self, rows: Sequence[Row], k: int, classes: Sequence[int] | None) -> Found:
        """Find the nearest points with state 0 of these classes (None = all), exactly."""

    def walk(self, rows: Sequence[Row], k: int) -> Found:
        """Find about the nearest points of all, whatever their class and state."""

    def walk_within(self, rows: Sequence[Row], k: int, classes: Sequence[int]) -> Found:
        """Find about the nearest points with state 0 of these classes: good for one class, not for several."""


def nearest_in_classes(
    engine: Engine, rows: Sequence[Row], k: int, classes: Sequence[int] | None, scanned: int
) -> Found:
    """Find the k nearest points with state 0 of the given classes, nearest first.

    rows: the queries.
    k: points per query.
    classes: None for all.
    scanned: so many points of rare classes may be read beside a walk.
    """
    sizes = engine.sizes()
    requested = {category: sizes.get(category, 0) for category in (sizes if classes is None else classes)}
    if sum(requested.values()) <= WALK_FROM * scanned:
        return engine.scan(rows, k, classes)
    rare = _rare(requested, scanned)
    near_rare: Found = engine.scan(rows, k, rare) if rare else [[] for _ in rows]
    walked, common = engine.walk(rows, BEYOND * k), requested.keys() - set(rare)
    answers = [
        sorted([*few, *(point for point in many if _wanted(point, common))], key=lambda point: -point.score)[:k]
        for few, many in zip(near_rare, walked, strict=True)
    ]
    ends = [many[-1].score if len(many) == BEYOND * k else float("-inf") for many in walked]
    unsure = [n for n, answer in enumerate(answers) if len(answer) < k or answer[-1].score < ends[n]]
    again = engine.scan([rows[n] for n in unsure], k, classes) if unsure else []
    for n, answer in zip(unsure, again, strict=True):
        answers[n] = answer
    return answers


def nearest_of_each(engine: Engine, rows: Sequence[Row], k: int, classes: Sequence[int], scanned: int) -> list[Found]:
    """Find the k nearest points with state 0 of each class: by a scan up to `scanned` points, by a walk beyond."""
    sizes = engine.sizes()
    return [
        engine.scan(rows, k, [category])
        if sizes.get(category, 0) <= scanned
        else engine.walk_within(rows, k, [category])
        for category in classes
    ]


def _rare(sizes: Mapping[int, int], scanned: int) -> list[int]:
    """List the classes of few points, the smallest first, as many as may be scanned."""
    rare, total = [], 0
    for category, size in sorted(sizes.items(), key=lambda item: item[1]):
        total += size
        if size > RARE or total > scanned:
            break
        if size:
            rare.append(category)
    return rare


def _wanted(point: Any, classes: set[int]) -> bool:
    return point.payload[PAYLOAD[STATE]] == 0 and point.payload[PAYLOAD[CLASS]] in classes
