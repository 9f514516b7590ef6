"""The trust of stored labels in answers: from the store through the vote into explanations and evidence."""

import shutil

import pytest

import retclip
from retclip.workflows.audit.trust import update_trust

PLAIN = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}}


@pytest.fixture(scope="module")
def store(built, tmp_path_factory):
    """A copy of the shared store with one wrong label and the trust in all."""
    folder = tmp_path_factory.mktemp("doubted") / "store"
    shutil.copytree(built.store, folder)
    with retclip.open(folder, settings=PLAIN) as memory:
        update_trust(memory.store)
        sure = [label for label in memory.store.trust.labels() if label.trust is not None][-1]
        other = next(
            row.name for row in memory.store.classes.all() if row.name not in (sure.class_name, sure.suggested)
        )
        memory.store.segments.relabel([sure.id], other, "ann")
        update_trust(memory.store)
    return folder, sure


def opened(folder, retrieval=None, **vote):
    settings = {**PLAIN, "plugin": {"retrieval": {"vote": {"vote": "rank", **vote}}}, "retrieval": retrieval or {}}
    return retclip.open(folder, settings=settings)


def shares_of(result, segment):
    """By stored segment its share, over all masks of a photo."""
    near, source = result.evidence.neighbours, result.evidence.scores[0]
    return {one: source.shares[row, column].item() for row, ids in enumerate(near.ids) for column, one in enumerate(ids)
            if one == segment}  # fmt: skip


def photo(memory, built):
    return next(iter(memory.source(built.source).images())).load()


def test_a_doubted_segment_votes_less_or_not_at_all(store, built):
    folder, wrong = store
    shares = {}
    for name, vote, retrieval in (
        ("none", {}, {}), ("weight", {"trust": "weight"}, {}), ("filter", {"trust": "filter"}, {}),
        ("away", {}, {"min_trust": 0.4}),
    ):  # fmt: skip
        with opened(folder, retrieval, **vote) as memory:
            images = [record.load() for record in memory.source(built.source).images()]
            found = [shares_of(result, wrong.id) for result in memory.segment(images)]
        shares[name] = max((share for one in found for share in one.values()), default=None)
    assert shares["none"] > shares["weight"] > 0
    assert shares["filter"] == 0  # it is still shown among the neighbours
    assert shares["away"] is None  # it is none of them


def test_explanations_add_up_and_say_the_rule(store, built, tmp_path):
    with opened(store[0], trust="weight") as memory:
        result = memory.segment(photo(memory, built))
        why = result.explain(result.segments[0])
        votes = why.votes()
        for name, score in votes.items():
            own = sum(one.share for one in why.neighbours if one.class_then == name)
            assert own == pytest.approx(score, abs=1e-5)
        assert "trust" in why.vote.rule
        result.save(tmp_path)
        evidence = next(tmp_path.rglob("*.evidence.npz"))
        again = memory.explain(evidence, segment=result.segments[0].id)
        assert again.votes() == pytest.approx(votes, abs=1e-5)
