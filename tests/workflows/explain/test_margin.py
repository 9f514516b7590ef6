"""The margin: the smallest set of voters without which a mask has another label, against trying every set."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

import retclip
from retclip.errors import DataError
from retclip.workflows.explain.margin import margin
from retclip.workflows.explain.replay import decide_again, replayed, rows_of

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}}


def of_mask(evidence, mask, voters):
    return margin(evidence, mask, *replayed(evidence, voters, [mask]), voters)


@pytest.mark.parametrize("vote", ["minmax", "rank"])
def test_it_is_the_smallest_set_that_turns_the_label(built, scene, vote):
    settings = {**SETTINGS, "retrieval": {"k": 4}, "plugin": {"retrieval": {"vote": {"vote": vote}}}}
    with retclip.open(built.store, settings=settings) as memory:
        result = memory.segment(scene)
        sizes = set()
        for one in result.segments[:5]:
            found = result.explain(one).margin
            ids = list(dict.fromkeys(near.id for near in result.explain(one).neighbours))
            flips = {
                size: any(
                    memory.explain(result, one.id, without=few).what_if.changed for few in combinations(ids, size)
                )
                for size in range(1, 1 + (len(found.segments) or found.tried))
            }
            if found.segments:
                assert found.exact and [size for size, turns in flips.items() if turns] == [len(found.segments)]
                answer = memory.explain(result, one.id, without=found.segments).what_if
                assert answer.changed and answer.label == found.label
            else:
                assert not any(flips.values())
            sizes.add(len(found.segments))
        assert len(sizes) > 1


def test_of_many_voters_the_greedy_set_is_said_to_be_an_upper_bound(built, scene, monkeypatch):
    from retclip.workflows.explain import margin as module

    monkeypatch.setattr(module, "TRIED", 0)
    settings = {**SETTINGS, "retrieval": {"k": 8}, "plugin": {"retrieval": {"vote": {"vote": "rank"}}}}
    with retclip.open(built.store, settings=settings) as memory:
        result = memory.segment(scene)
        found = [of_mask(result.evidence, one.proposal, result.voters) for one in result.segments]
        turned = [(one, each) for one, each in zip(result.segments, found, strict=True) if each.segments]
        assert turned and not any(each.exact for _, each in turned if len(each.segments) > 1)
        for one, each in turned:
            own = {near.id for near in result.explain(one).neighbours if near.class_then == one.class_name}
            assert set(each.segments) <= own
            assert memory.explain(result, one.id, without=each.segments).what_if.label == each.label
    told = turned[0][1].told(turned[0][0].class_name)
    assert str(turned[0][1].segments[0])[:8] in told


def test_without_voters_there_is_none(built, scene):
    with retclip.open(built.store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        mask = result.segments[0].proposal
        nobody = replace(result.evidence.neighbours, ids=np.full_like(result.evidence.neighbours.ids, None))
        nobody = replace(nobody, classes=torch.full_like(nobody.classes, -1))
        with pytest.raises(DataError, match="keeps what a vote needs"):
            of_mask(replace(result.evidence, neighbours=None), mask, result.voters)
        inputs = replace(result.evidence.inputs, beyond=nobody)
        alone = replace(result.evidence, neighbours=nobody, inputs=inputs)
        rows = rows_of(alone, [mask])
        then = decide_again(alone, rows, result.voters)
        assert margin(alone, mask, rows, then, result.voters) is None
