"""The three searches together: equal to a scan whatever the walk loses of rare classes, with a made-up engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.store.index import nearest_in_classes as module
from retclip.store.index.nearest_in_classes import nearest_in_classes, nearest_of_each


@dataclass
class Line:
    """Points on a line, nearest to the origin first; a row is ignored. A walk loses the points in `lost`."""

    labels: list[int]
    states: list[int]
    lost: frozenset[int] = frozenset()
    asked: list[tuple[str, int]] = field(default_factory=list)

    def sizes(self):
        return Counter(label for label, state in zip(self.labels, self.states, strict=True) if state == 0)

    def _points(self, keep):
        chosen = [n for n in range(len(self.labels)) if keep(n)]
        return [
            SimpleNamespace(id=n, score=-float(n), payload={"cat": self.labels[n], "st": self.states[n]})
            for n in chosen
        ]

    def scan(self, rows, k, classes):
        self.asked.append(("scan", len(rows)))
        wanted = self._points(lambda n: self.states[n] == 0 and (classes is None or self.labels[n] in classes))
        return [wanted[:k] for _ in rows]

    def walk(self, rows, k):
        self.asked.append(("walk", len(rows)))
        return [self._points(lambda n: n not in self.lost)[:k] for _ in rows]

    def walk_within(self, rows, k, classes):
        self.asked.append(("walk within", len(rows)))
        return self.scan(rows, k, classes)


def ids(found):
    return [[point.id for point in row] for row in found]


def exact(engine, k, classes):
    return ids(Line(engine.labels, engine.states).scan([[0.0]], k, classes))


def test_few_points_are_scanned_and_nothing_is_walked():
    engine = Line([0] * 30, [0] * 30)
    assert ids(nearest_in_classes(engine, [[0.0]], 5, None, scanned=10)) == [[0, 1, 2, 3, 4]]
    assert engine.asked == [("scan", 1)]


def test_a_rare_class_that_the_walk_loses_is_found():
    """Class 7 has two points; nothing links to them."""
    labels = [1] * 150 + [7, 1, 7] + [1] * 150
    engine = Line(labels, [0] * len(labels), lost=frozenset({150, 152}))
    found = nearest_in_classes(engine, [[0.0], [1.0]], 200, [1, 7], scanned=10)
    assert ids(found) == exact(engine, 200, [1, 7]) * 2 and {150, 152} <= set(ids(found)[0])
    assert engine.asked == [("scan", 2), ("walk", 2)]


def test_who_lacks_neighbours_after_the_walk_is_scanned():
    """A vocabulary whose nearest point lies behind more others than the walk brings."""
    labels = [1] * 500 + [2] * 200
    engine = Line(labels, [0] * len(labels))
    assert ids(nearest_in_classes(engine, [[0.0]], 4, [2], scanned=10)) == [[500, 501, 502, 503]]
    assert engine.asked == [("walk", 1), ("scan", 1)]
    assert ids(nearest_in_classes(engine, [[0.0]], 4, [1], scanned=10)) == [[0, 1, 2, 3]]
    assert engine.asked[2:] == [("walk", 1)]


def test_a_rare_neighbour_beyond_the_end_of_the_walk_is_not_believed():
    """Three of class 1 are within the walk, the rare one lies behind others of class 1 that the walk did not reach."""
    labels = [1, 1, 1] + [3] * 200 + [1] * 300 + [7]
    engine = Line(labels, [0] * len(labels))
    assert ids(nearest_in_classes(engine, [[0.0]], 4, [1, 7], scanned=50)) == [[0, 1, 2, 203]]
    assert engine.asked[-1] == ("scan", 1)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 0, 0, 1])), max_size=60),
    st.integers(1, 8), st.one_of(st.none(), st.lists(st.integers(0, 8), unique=True)), st.integers(0, 12),
)  # fmt: skip
def test_equal_to_a_scan_where_the_walk_loses_rare_classes_alone(stored, k, classes, scanned):
    labels, states = [label for label, _ in stored], [state for _, state in stored]
    engine = Line(labels, states)
    asked = {one: engine.sizes()[one] for one in (engine.sizes() if classes is None else classes)}
    rare = module._rare(asked, scanned)
    engine.lost = frozenset(n for n, label in enumerate(labels) if label in rare)
    assert ids(nearest_in_classes(engine, [[0.0]], k, classes, scanned)) == exact(engine, k, classes)


def test_each_class_is_scanned_or_walked_by_its_size():
    labels = [1] * 30 + [2] * 5 + [1, 3]
    engine = Line(labels, [0] * 36 + [1])
    found = nearest_of_each(engine, [[0.0], [0.0]], 2, [1, 2, 3, 9], scanned=30)
    assert [ids(part) for part in found] == [[[0, 1]] * 2, [[30, 31]] * 2, [[], []], [[], []]]
    assert [way for way, _ in engine.asked] == ["walk within", "scan", "scan", "scan", "scan"]


def test_rare_are_the_smallest_as_many_as_may_be_scanned():
    sizes = {1: 5, 2: 3, 3: 0, 4: module.RARE + 1, 5: 4}
    assert module._rare(sizes, 100) == [2, 5, 1]
    assert module._rare(sizes, 8) == [2, 5]
    assert module._rare(sizes, 0) == []
    assert not np.isin(4, module._rare(sizes, 10_000))
