"""Trust by hand, against brute force, and brought up to date as if computed anew."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import label_trust
from retclip.algorithms.label_trust import (
    ROUNDING,
    Labelled,
    class_means,
    distances_to_classes,
    mean_of_nearest,
    updated_means,
)


def labelled(rows):
    """Vectors in a plane, by (class, photo, cosine distance to the first axis)."""
    turns = [math.acos(1 - distance) for _, _, distance in rows]
    vectors = torch.tensor([[math.cos(turn), math.sin(turn)] for turn in turns], dtype=torch.float32).reshape(-1, 2)
    return Labelled(vectors, torch.tensor([row[0] for row in rows]), torch.tensor([row[1] for row in rows]))


CAT, DOG, COW = 4, 7, 9
WORKED = [(CAT, 1, 0.0), (CAT, 1, 0.1), (CAT, 2, 0.2), (CAT, 3, 0.4), (DOG, 2, 0.1), (DOG, 3, 0.3), (COW, 4, 0.25)]


def test_the_worked_example():
    stored = labelled(WORKED)
    means = class_means(stored[torch.tensor([0])], stored, nearest=2)
    assert means.own.tolist() == pytest.approx([0.3], abs=1e-6)  # the cat of its own photo does not count
    assert means.other.tolist() == pytest.approx([0.2], abs=1e-6)
    assert means.suggested.tolist() == [DOG]
    assert means.trust().tolist() == pytest.approx([0.2001 / 0.5002], abs=1e-5)


def test_distances_to_every_class(monkeypatch):
    stored = labelled(WORKED)
    monkeypatch.setattr(label_trust, "SCORES", 2 * len(stored))  # two segments in a block
    found = distances_to_classes(stored[torch.tensor([0, 2, 6])], stored, torch.tensor([CAT, DOG, COW]), nearest=2)
    assert found[0].tolist() == pytest.approx([0.3, 0.2, 0.25], abs=1e-6)
    assert torch.isinf(found[2]).tolist() == [False, False, True]  # the only cow
    means = class_means(stored, stored, nearest=2)
    assert found[:, 0].tolist()[:2] == pytest.approx(means.own[[0, 2]].tolist(), abs=1e-6)


def test_a_class_of_three_is_not_suspicious_for_being_rare():
    rare = [(CAT, photo, 0.0) for photo in (1, 2, 3)]
    crowd = [(DOG, 10 + n, 0.2) for n in range(300)]
    stored = labelled([*rare, *crowd])
    trust = class_means(stored, stored).trust()
    assert trust[:3].min() > 0.99  # two others of its class are enough


def test_the_only_segment_of_a_class_has_no_trust_and_copies_are_equally_near():
    stored = labelled([(CAT, 1, 0.0), (DOG, 2, 0.1), (DOG, 3, 0.1)])
    assert torch.isnan(class_means(stored, stored).trust()).tolist() == [True, False, False]
    same = labelled([(CAT, 1, 0.0), (CAT, 2, 0.0), (DOG, 3, 0.0), (DOG, 4, 0.0)])
    assert class_means(same, same).trust().tolist() == pytest.approx([0.5] * 4, abs=1e-2)


def test_a_store_of_one_class_has_no_trust():
    stored = labelled([(CAT, 1, 0.0), (CAT, 2, 0.1)])
    means = class_means(stored, stored)
    assert torch.isnan(means.trust()).all() and means.suggested.tolist() == [-1, -1]


def test_the_mean_goes_over_those_that_are_there():
    rows = torch.tensor([[0.5, math.inf, 0.1], [math.inf, math.inf, math.inf]])
    assert mean_of_nearest(rows, 3).tolist() == pytest.approx([0.3, math.inf])


def random_store(seed, count=60, classes=5, photos=20):
    made = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, 6, generator=made)
    vectors /= vectors.norm(dim=1, keepdim=True)
    numbers = torch.randint(0, classes, (count,), generator=made) * 3 + 1
    return Labelled(vectors, numbers, torch.randint(0, photos, (count,), generator=made))


def brute_force(stored, nearest):
    """(trust, suggested class) of each segment by the definition, in float64."""
    answers = []
    for n in range(len(stored)):
        by_class = {}
        for other in range(len(stored)):
            if stored.photos[n] != stored.photos[other]:
                distance = max(0.0, 1.0 - float(stored.vectors[n].double() @ stored.vectors[other].double()))
                by_class.setdefault(int(stored.classes[other]), []).append(distance)
        means = {name: sum(sorted(near)[:nearest]) / len(near[:nearest]) for name, near in by_class.items()}
        a = means.pop(int(stored.classes[n]), math.inf)
        suggested, b = min(means.items(), key=lambda one: (one[1], one[0]), default=(-1, math.inf))
        trust = (b + ROUNDING) / (a + b + 2 * ROUNDING) if math.isfinite(a) and math.isfinite(b) else math.nan
        answers.append((trust, suggested))
    return answers


@pytest.mark.parametrize("nearest", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_blocks_equal_brute_force(monkeypatch, seed, nearest):
    monkeypatch.setattr(label_trust, "SCORES", 60 * 7)  # seven segments in a block
    stored = random_store(seed)
    means = class_means(stored, stored, nearest)
    wanted = brute_force(stored, nearest)
    assert means.trust().tolist() == pytest.approx([trust for trust, _ in wanted], abs=1e-5, nan_ok=True)
    assert means.suggested.tolist() == [suggested for _, suggested in wanted]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 20), st.integers(0, 20))
def test_an_update_equals_a_full_computation(seed, touched, added, removed):
    """Segments of a few classes come and go; what stays is brought up to date."""
    stored = random_store(seed)
    of_touched = stored.classes <= 3 * touched
    going = of_touched & (torch.arange(len(stored)) < removed)
    coming = random_store(seed + 1, added, touched)
    stays, keep = stored[~going], ~going
    now = Labelled(
        torch.cat([stays.vectors, coming.vectors]), torch.cat([stays.classes, coming.classes]),
        torch.cat([stays.photos, coming.photos]),
    )  # fmt: skip
    old = class_means(stored, stored)
    before = label_trust.ClassMeans(old.own[keep], old.other[keep], old.suggested[keep])
    numbers = torch.unique(torch.cat([coming.classes, stored.classes[going]]))
    updated, changed = updated_means(before, stays, now, numbers)
    full = class_means(stays, now)
    assert updated.trust().tolist() == pytest.approx(full.trust().tolist(), abs=1e-5, nan_ok=True)
    assert updated.suggested.tolist() == full.suggested.tolist()
    same = ~changed
    assert torch.equal(updated.own[same], before.own[same]) and torch.equal(updated.other[same], before.other[same])
