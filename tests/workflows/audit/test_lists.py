"""What the audits list: wrong labels with their neighbours, outliers, contradictions, thin classes."""

from dataclasses import replace

import numpy as np
import pytest

from retclip.errors import ConfigError, DataError
from retclip.store.records import SegmentFilter
from retclip.workflows.audit import doubt
from retclip.workflows.audit.conflicts import data_sets_disagree
from retclip.workflows.audit.doubt import can_be_doubted, doubted_labels
from retclip.workflows.audit.mislabels import nearest_of
from retclip.workflows.audit.trust import update_trust

EVERY = SegmentFilter()


def made_wrong(memory):
    """A sure segment under a wrong label: its id and its right class."""
    memory.audit.mislabels()
    sure = [label for label in memory.store.trust.labels() if label.trust is not None][-1]
    names = [row.name for row in memory.store.classes.all() if row.segments]
    other = next(name for name in names if name not in (sure.class_name, sure.suggested))
    memory.store.segments.relabel([sure.id], other, "ann")
    return sure.id, sure.class_name, other


def test_a_wrong_label_comes_with_its_right_class_and_neighbours(memory):
    segment, right, wrong = made_wrong(memory)
    table = memory.suspects()
    found = next(one for one in table if one.id == segment)
    assert (found.class_name, found.suggested) == (wrong, right) and found.trust < 0.5 and right in found.note
    assert [one.trust for one in table] == sorted(one.trust for one in table)
    suspect = next(one for one in memory.audit.suspects() if one.segment.id == segment)
    assert {one.class_name for one in suspect.neighbours} == {right}
    distances = [one.distance for one in suspect.neighbours]
    assert distances == sorted(distances)
    assert found.image not in {one.image for one in suspect.neighbours}


def test_suspects_read_the_vectors_once(memory, monkeypatch):
    read, original = [], type(memory.store.trust).segments
    monkeypatch.setattr(type(memory.store.trust), "segments", lambda *arguments: read.append(1) or original(*arguments))
    memory.suspects()
    assert len(read) == 1


def test_filters_and_limit_choose_among_suspects(memory):
    segment, _, wrong = made_wrong(memory)
    assert segment in memory.suspects(SegmentFilter(classes=(wrong,))).ids
    assert segment not in memory.suspects(SegmentFilter(max_trust=0.0)).ids
    assert len(memory.suspects(limit=1)) == 1
    with pytest.raises(DataError, match="choose one of these"):
        memory.suspects(SegmentFilter(classes=("narwhal",)))
    with pytest.raises(ConfigError, match="at least 1"):
        memory.suspects(limit=0)


def test_doubt_ranks_where_it_is_asked_for(memory):
    segment, right, wrong = made_wrong(memory)
    suspects = memory.audit.suspects(by="doubt")
    doubts = [one.doubt for one in suspects]
    assert doubts == sorted(doubts, reverse=True) and all(0 < doubt <= 1 for doubt in doubts)
    found = next(one for one in suspects if one.segment.id == segment)
    assert found.segment.class_name == wrong and found.segment.suggested == right and right in found.segment.note
    assert found.segment.trust < 0.5 and {one.class_name for one in found.neighbours} == {right}
    assert all(one.doubt is None for one in memory.audit.suspects(by="trust"))
    with pytest.raises(ConfigError, match="doubt or trust"):
        memory.suspects(by="fear")


def test_without_a_ranking_the_size_of_the_store_decides(memory, monkeypatch):
    segments = memory.store.trust.segments()
    mean = len(segments) / len(set(segments.categories.tolist()))
    monkeypatch.setattr(doubt, "ENOUGH", mean)
    assert can_be_doubted(segments) and memory.suspects().ids == memory.suspects(by="doubt").ids
    monkeypatch.setattr(doubt, "FITTED", len(segments) - 1)
    assert not can_be_doubted(segments), "too many to be judged anew each time"
    monkeypatch.setattr(doubt, "FITTED", len(segments))
    monkeypatch.setattr(doubt, "ENOUGH", mean + 0.01)
    assert not can_be_doubted(segments) and memory.suspects().ids == memory.suspects(by="trust").ids


def test_doubt_by_blocks_is_the_same(memory, monkeypatch):
    segment, _, _ = made_wrong(memory)
    segments = memory.store.trust.segments()
    whole = doubted_labels(memory.store, segments)
    monkeypatch.setattr(doubt, "BLOCK", 7)
    parts = doubted_labels(memory.store, segments)
    assert [label.id for label in parts] == [label.id for label in whole] and whole[0].id == segment
    assert [label.doubt for label in parts] == pytest.approx([label.doubt for label in whole], abs=1e-4)
    monkeypatch.setattr(doubt, "FITTED", len(segments) // 2)  # fitted to every third, all are judged
    assert doubted_labels(memory.store, segments)[0].id == segment


def test_trust_bounds_are_refused_before_it_was_computed(memory):
    with pytest.raises(ConfigError, match="retclip audit mislabels"):
        memory.store.segments.count(SegmentFilter(min_trust=0.5))
    memory.suspects()
    values = memory.store.trust.values([label.id for label in memory.store.trust.labels()])
    for low, high in ((0.5, None), (None, 0.5), (0.3, 0.6)):
        wanted = sum((low or 0) <= value <= (1 if high is None else high) for value in values.values())
        assert memory.store.segments.count(SegmentFilter(min_trust=low, max_trust=high)) == wanted


def test_the_nearest_of_a_class_equal_brute_force(memory):
    segments = memory.store.trust.segments()
    number = int(segments.categories[0])
    place = len(segments) - 1
    near = nearest_of(segments, [(segments.ids[place], "it")], {"it": number})[segments.ids[place]]
    distances = [
        (1 - float(segments.vectors[n] @ segments.vectors[place]), segments.ids[n])
        for n in range(len(segments))
        if segments.categories[n] == number and segments.images[n] != segments.images[place]
    ]
    assert [one for one, _ in near] == [one for _, one in sorted(distances, key=lambda one: one[0])[:3]]


def test_outliers_are_far_by_the_spread_of_their_class(memory, monkeypatch):
    from retclip.workflows.audit import outliers

    monkeypatch.setattr(outliers, "FEWEST", 4)
    monkeypatch.setattr(outliers, "SPREADS", 0.5)
    table = memory.audit.outliers()
    assert len(table)
    labels = memory.store.trust.labels()
    for one in table:
        values = [label.own_distance for label in labels if label.class_name == one.class_name]
        median = np.median(values)
        spread = max(1e-6, 1.4826 * np.median(np.abs(np.array(values) - median)))
        assert (one.distance - median) / spread > 0.5
    monkeypatch.setattr(outliers, "FEWEST", 10_000)
    assert len(memory.audit.outliers()) == 0


def test_data_sets_that_disagree_are_told_and_agreeing_ones_not(memory):
    one = memory.store.trust.segments()
    assert data_sets_disagree(memory.store, one, 2.0) == []
    segments = replace(one, datasets=one.images % 2)
    found = data_sets_disagree(memory.store, segments, 2.0)
    wanted = {}
    for n in range(len(segments)):
        near = 1 - segments.vectors @ segments.vectors[n]
        near[segments.datasets == segments.datasets[n]] = np.inf
        if segments.categories[near.argmin()] != segments.categories[n]:
            wanted[segments.ids[n]] = float(near.min())
    assert {segment.id: segment.distance for segment in found} == pytest.approx(wanted, abs=1e-5)
    assert found and [segment.distance for segment in found] == sorted(segment.distance for segment in found)
    half = float(np.median(list(wanted.values())))
    nearer = data_sets_disagree(memory.store, segments, half)
    assert 0 < len(nearer) < len(found) and max(segment.distance for segment in nearer) <= half


def test_one_mask_with_two_labels_is_a_conflict(memory, built):
    import retclip

    settings = {"store": {"index": "resident"}, "build": {"proposer": "reference.whole_image"}}
    with retclip.open(memory.session.folder, settings=settings) as other:
        names = [row.name for row in other.store.classes.all()][:2]
        for name in names:
            other.classes.add(name, str(next(built.photos.glob("train_0_*.png"))), thing=False)
    table = memory.audit.conflicts()
    same = [one for one in table if "the same mask" in one.note]
    assert {one.class_name for one in same} == set(names) and len({one.image for one in same}) == 1


def test_coverage_names_what_is_thin(memory, built):
    rows = {row.name: row for row in memory.store.classes.all()}
    found = {one.coverage.name: one for one in memory.audit.coverage(few=100)}
    assert set(found) == set(rows)
    for name, one in found.items():
        assert (one.coverage.segments, one.coverage.images) == (rows[name].segments, rows[name].images)
        assert "alone" not in " ".join(one.reasons)  # of one data set and one run that would be said of all
    images = [one.coverage.images for one in memory.audit.coverage(few=100)]
    assert images == sorted(images)
    fewest = min(images)
    assert memory.audit.coverage(few=max(1, fewest))[:1] == () or fewest == 0
    name = next(iter(rows))
    assert [one.coverage.name for one in memory.audit.coverage(SegmentFilter(classes=(name,)), few=100)] == [name]
    memory.build(built.source.replace("split=train&count=6", "split=val&count=1"))
    assert any("alone" in reason for one in memory.audit.coverage(few=1) for reason in one.reasons)


def test_coverage_names_classes_that_voted_in_no_kept_answer(memory):
    store, names = memory.store, [row.name for row in memory.store.classes.all() if row.segments]
    assert memory.audit.coverage(few=1).classes == ()  # no answer was kept, so it says nothing of any class
    update_trust(store)
    voter = next(label.id for label in store.trust.labels() if label.class_name == names[0])
    store.traces.keep(("a" * 64, "/a.png"), b"evidence", [voter], 1.0)
    found = {one.coverage.name: one.reasons for one in memory.audit.coverage(few=1)}
    assert found == dict.fromkeys(names[1:], ("no vote in 1 kept answer",))
    store.segments.relabel([voter], names[1], "ann")  # a vote counts for the class that the segment has now
    assert names[1] not in {one.coverage.name for one in memory.audit.coverage(few=1)}
