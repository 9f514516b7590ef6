"""What an explanation says adds up to the decision where "no object" is corrected and gamma differs by class."""

from dataclasses import replace

import pytest
import torch

import retclip
from retclip.errors import DataError
from retclip.types import Role

PRESET, SIZE = "miniature", "width=96&height=80"
SETTINGS = {
    "ensemble": {
        "alpha": 0.4, "beta": 0.7, "gamma": 0.6, "form": "arithmetic", "renormalise": False, "void": "discount",
        "void_correction": 0.5,
    },
    "plugin": {
        "retrieval": {"vote": {"pseudo_neighbours": 2.0, "agreement": True}},
        "mask2former": {"in_vocabulary": {"temperature": 1.5}},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A store of drawn scenes, and a photo that is none of them."""
    pytest.importorskip("retclip_miniature", reason="needs plugins/miniature")
    folder = tmp_path_factory.mktemp("drawn")
    with retclip.open(folder / "store", create=True, preset=PRESET) as memory:
        memory.build(f"miniature.scenes:{folder / 'scenes'}?split=store&count=8&{SIZE}")
        (record,) = memory.source(f"miniature.scenes:{folder / 'scenes'}?split=val&count=1&{SIZE}").images()
    return folder / "store", record.load()


def test_terms_weights_and_no_object_add_up_to_the_decision_and_to_the_replay(drawn):
    store, photo = drawn
    with retclip.open(store, settings=SETTINGS, preset=PRESET) as memory:
        result = memory.segment(photo, memory.prepare(None))
        evidence, names = result.evidence, result.evidence.vocabulary.names
        vote, clip, head = (
            next(source for source in evidence.scores if source.role is role)
            for role in (Role.RETRIEVAL, Role.CLIP, Role.IN_VOCABULARY)
        )
        assert result.segments and evidence.inputs is not None
        for segment in result.segments:
            near = result.explain(segment).neighbours[0].id
            why = memory.explain(result, segment.id, without=[near])  # votes again, and compares with what was decided
            n, label = why.mask, segment.class_name
            c = names.index(label)
            surest = float(clip.values[n].max())
            assert why.void == pytest.approx(float(head.void[n]) * (1 - 0.5 * surest))
            voters, most, every = why.counts().get(label, 0), max(why.counts().values()), len(why.neighbours)
            assert why.gamma[label] == pytest.approx(0.6 * voters / (voters + 2) * most / every)
            oov = why.gamma[label] * float(vote.values[n, c]) + (1 - why.gamma[label]) * float(clip.values[n, c])
            w = 0.4 if bool(evidence.inputs.seen[c]) else 0.7
            together = (w * oov + (1 - w) * float(head.values[n, c])) * (1 - why.void)
            assert why.combined[label] == pytest.approx(together, abs=1e-6)
            assert why.what_if is not None and why.what_if.left_out == 1
            assert why.as_dict()["gamma"] == why.gamma


def test_an_answer_of_other_weights_is_not_decided_again(drawn):
    """The replay reads the weights of the answer: with others it says that the scores differ."""
    store, photo = drawn
    with retclip.open(store, settings=SETTINGS, preset=PRESET) as memory:
        result = memory.segment(photo, memory.prepare(None))
        near = result.explain(result.segments[0]).neighbours[0].id
        plain = {**result.evidence.settings["ensemble"], "void_correction": 0.0}
        other = replace(result.evidence, settings={**result.evidence.settings, "ensemble": plain})
        assert not torch.equal(other.void, torch.zeros_like(other.void))
        with pytest.raises(DataError, match="scores that differ"):
            memory.explain(replace(result, evidence=other), result.segments[0].id, without=[near])
