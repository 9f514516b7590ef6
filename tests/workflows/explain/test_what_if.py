"""What-if: without some stored segments the answer is what a store without them gives, from the evidence alone."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

import retclip
from retclip.errors import DataError
from retclip.workflows.explain.evidence_file import save_evidence

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}}
RULES = [
    {"retrieval": {"k": 4}, "plugin": {"retrieval": {"vote": {"vote": "minmax"}}}},
    {"retrieval": {"k": 4}, "plugin": {"retrieval": {"vote": {"vote": "rank"}}}},
    {"retrieval": {"k": 3, "per_class": True}, "plugin": {"retrieval": {"vote": {"vote": "softmax"}}}},
    {"plugin": {"retrieval": {"vote": {"vote": "rank", "per_class_best": 2}}}},
]


def opened(folder, settings=SETTINGS):
    return retclip.open(folder, settings=settings)


def labels(result):
    """The class of each mask that takes part, by mask."""
    from retclip.workflows.explain.replay import label_of

    return label_of(result.evidence, result.evidence.combined, result.evidence.void).tolist()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_without_its_nearest_voters_a_mask_gets_what_a_store_without_them_gives_it(own_store, scene, rule):
    settings = {**SETTINGS, **rule}
    with opened(own_store, settings) as memory:
        words = memory.prepare(None)
        result = memory.segment(scene, words)
        changed = 0
        for one in result.segments[:4]:
            near = result.explain(one).neighbours
            gone = list(dict.fromkeys(item.id for item in near if item.class_then == one.class_name))[:2]
            answer = memory.explain(result, one.id, without=gone).what_if
            edit = memory.store.segments.quarantine(gone, "t")
            after = memory.segment(scene, words)
            memory.undo(edit.event)
            mask = one.proposal
            truth = labels(after)[mask]
            assert answer.exact, answer.reasons
            assert answer.label == (result.evidence.vocabulary.names[truth] if truth >= 0 else None)
            assert 0 < answer.left_out <= len(gone)
            for name, value in answer.combined.items():
                index = result.evidence.vocabulary.names.index(name)
                assert value == pytest.approx(float(after.evidence.combined[mask, index]), abs=1e-4), name
            changed += answer.changed
        assert changed or rule["plugin"]["retrieval"]["vote"].get("per_class_best")


def test_what_was_not_asked_for_is_lost_only_with_its_last_class(own_store, scene):
    """All of it that the photo's masks are near goes; the store holds more of its classes."""
    with opened(own_store, {**SETTINGS, "segment": {"unasked": "compete"}}) as memory:
        result = memory.segment(scene, ["sky", "grass"])
        words, near, beyond = result.evidence.vocabulary, result.evidence.neighbours, result.evidence.inputs.beyond
        gone = {
            one for each in (near, beyond) for one in each.ids[(each.classes == words.asked).numpy()] if one is not None
        }
        left = memory.store.segments.visible_by_class(without=sorted(gone))
        assert any(left.get(name) for name in words.synonyms[-1])
        answer = memory.explain(result, result.segments[0].id, without=sorted(gone)).what_if
        assert answer.lost == ()
        for name in words.synonyms[-1]:
            memory.classes.remove(name)
        assert memory.explain(result, result.segments[0].id, without=sorted(gone)).what_if.lost == ("(not asked)",)


def test_the_answer_comes_from_a_file_too_and_segments_are_named_by_their_first_digits(own_store, scene, tmp_path):
    with opened(own_store) as memory:
        result = memory.segment(scene)
        one = result.segments[0]
        gone = result.explain(one).neighbours[0].id
        save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
        now = memory.explain(result, one.id, without=[gone])
        again = memory.explain(tmp_path / "a.evidence.npz", one.id, without=[str(gone)[:8]])
        assert now.what_if == again.what_if and now.what_if.left_out == now.what_if.moved_up == 1
        assert now.margin == again.margin and now.margin is not None
        document = again.as_dict()
        assert document["what_if"]["exact"] is True and document["margin"]["segments"]
        with pytest.raises(DataError, match=r"the id of a stored segment, or its first digits.*copy one"):
            memory.explain(result, one.id, without=["zz"])
        with pytest.raises(DataError, match="neighbours begin with; write more of it"):
            memory.explain(result, one.id, without=[shared_beginning(result)])
        with pytest.raises(DataError, match="which the store does not know"):
            memory.explain(result, one.id, without=[UUID(int=7)])
        with pytest.raises(DataError, match="a class of this result"):
            memory.explain(result, one.id, without_class=["dragon"])


def test_without_a_class_its_names_abstain_and_the_next_class_is_the_label(own_store, scene):
    settings = {**SETTINGS, "retrieval": {"k": 60, "further": 60}}  # every stored segment is known to the evidence
    with opened(own_store, settings) as memory:
        words = memory.prepare(None)
        result = memory.segment(scene, words)
        one = result.segments[0]
        answer = memory.explain(result, one.id, without_class=[one.class_name]).what_if
        assert answer.lost == (one.class_name,) and answer.label != one.class_name and answer.exact
        ids = sorted(everything(result))
        of_class = [i for i, s in memory.store.segments.get(ids).items() if s.class_name == one.class_name]
        memory.store.segments.quarantine(of_class, "t")
        after = memory.segment(scene, words)
        assert answer.label == result.evidence.vocabulary.names[labels(after)[one.proposal]]


def everything(result):
    from retclip.workflows.explain.what_if import segments_of

    return segments_of(result.evidence)


def shared_beginning(result):
    """The first digits that several of the photo's neighbours have in common."""
    firsts = [str(segment)[0] for segment in everything(result)]
    return max(firsts, key=firsts.count)


def test_without_the_only_run_nothing_is_left_and_every_class_is_lost(own_store, scene):
    settings = {**SETTINGS, "retrieval": {"k": 60, "further": 60}}
    with opened(own_store, settings) as memory:
        result = memory.segment(scene)
        answer = memory.explain(result, result.segments[0].id, without_run=[1]).what_if
        assert answer.label is None and set(answer.lost) == set(result.evidence.vocabulary.names)
        memory.build("reference.scenes:" + str(own_store / "more") + "?split=val&count=1")
        still = memory.explain(result, result.segments[0].id, without_run=[2]).what_if
        assert (still.left_out, still.changed, still.exact) == (0, False, True)
        with pytest.raises(DataError, match="99"):
            memory.explain(result, result.segments[0].id, without_run=[1, 99])


def test_more_left_out_than_evidence_keeps_is_said(own_store, scene):
    with opened(own_store, {**SETTINGS, "retrieval": {"k": 4, "further": 1}}) as memory:
        result = memory.segment(scene)
        one = result.segments[0]
        gone = [near.id for near in result.explain(one).neighbours]
        answer = memory.explain(result, one.id, without=gone).what_if
    assert not answer.exact and "retrieval.further" in answer.reasons[0]
    assert (answer.left_out, answer.moved_up) == (4, 1)


def test_evidence_that_another_version_made_is_refused_and_has_no_margin(own_store, scene):
    with opened(own_store) as memory:
        result = memory.segment(scene)
        one = result.segments[0]
        other = replace(result, evidence=replace(result.evidence, combined=result.evidence.combined * 0.5))
        assert other.explain(one).margin is None
        with pytest.raises(DataError, match="another version of retrieval"):
            memory.explain(other, one.id, without=[other.explain(one).neighbours[0].id])
        older = replace(result, evidence=replace(result.evidence, inputs=None))
        assert older.explain(one).margin is None
        with pytest.raises(DataError, match="keeps what a vote needs"):
            memory.explain(older, one.id, without=[older.explain(one).neighbours[0].id])


def test_a_mask_of_a_tree_is_decided_again_with_its_leaves(own_store, scene):
    """The whole decision: own scores and leaves' scores mixed, as the cut did."""
    settings = {
        "store": {"index": "resident"}, "components": {"proposer": "regions.tree"}, "retrieval": {"k": 4},
        "plugin": {"regions": {"tree": {"count": 40}}},
    }  # fmt: skip
    from retclip.workflows.explain.replay import decide_again, rows_of

    with opened(own_store, settings) as memory:
        result = memory.segment(scene)
        evidence = result.evidence
        assert evidence.inputs.parts is not None
        masks = range(len(evidence.combined))
        again = decide_again(evidence, rows_of(evidence, masks), result.voters)
        assert np.allclose(again.combined.numpy(), evidence.combined.numpy(), atol=1e-5)
        assert np.allclose(again.void.numpy(), evidence.void.numpy(), atol=1e-5)
        divided = int(evidence.inputs.parts.owner[0])
        one = next(one for one in result.segments if one.proposal == divided)
        near = [s for s in evidence.inputs.parts.neighbours.ids[0] if s is not None]
        answer = memory.explain(result, one.id, without=near[:2]).what_if
        assert answer.combined[one.class_name] != pytest.approx(result.explain(one).combined[one.class_name])
