"""What is called by a wrong name, and why: the largest first, with scores and the neighbours that voted."""

import numpy as np
import pytest

import retclip
from retclip.report.mistakes import mistakes_of
from retclip.types import Image, PanopticSegmentation, SegmentInfo
from retclip.workflows.building.source_classes import annotated_vocabulary
from retclip.workflows.evaluation.evaluate import Evaluator, Judged

NAMES = ("sky", "sea", "sand")


def segmentation(rows, names, crowd=()):
    """Stripes, a row of pixels each."""
    label_map = np.repeat(np.array(rows, dtype=np.int32)[:, None], 4, axis=1)
    infos = [
        SegmentInfo(i, name, False, 4 * rows.count(i), 0.5, is_crowd=i in crowd) for i, name in enumerate(names, 1)
    ]
    return PanopticSegmentation(label_map, tuple(infos))


def judged(truth, predicted):
    image = Image(np.zeros((*truth.label_map.shape, 3), np.uint8), "0" * 64, "", truth)
    return Judged(0, 1, "photo", image, predicted, None)


def test_the_largest_first_and_what_most_pixels_are_called():
    truth = segmentation([1, 1, 1, 1, 2, 2, 3, 3, 3], ["sky", "sea", "sand"])
    predicted = segmentation([2, 2, 2, 1, 2, 2, 0, 0, 1], ["sky", "sea"])
    mistakes = mistakes_of(judged(truth, predicted), NAMES, None)
    assert [(one.annotated, one.called) for one in mistakes] == [("sky", "sea"), ("sand", None)]
    assert mistakes[0].share == pytest.approx(100 * 4 / 9) and mistakes[0].score == 0.5
    assert mistakes[1].score is None and mistakes[0].terms == mistakes[0].neighbours == ()


def test_crowds_and_classes_of_nobody_are_no_mistakes():
    truth = segmentation([1, 1, 2, 2], ["sky", "unicorn"], crowd=(1,))
    assert mistakes_of(judged(truth, segmentation([1, 1, 1, 1], ["sea"])), NAMES, None) == ()


def test_the_reason_is_that_of_explain(tmp_path, monkeypatch):
    """The store does not know kites by that name: what else is near votes for them, and is told."""
    monkeypatch.chdir(tmp_path)  # the scenes are drawn there
    settings = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}}
    with retclip.open(tmp_path / "store", create=True, settings=settings, preset="appearance") as memory:
        memory.build("reference.scenes:scenes?split=train&count=3")
        memory.classes.rename("kite", "dragon")
        photos = memory.source("reference.scenes:scenes?split=val&count=2")
        vocabulary = annotated_vocabulary(photos)
        evaluator = Evaluator(memory.session.segmenter(), photos, None, memory.prepare(vocabulary))
        mistakes = [
            mistake
            for image in evaluator.judged()
            for mistake in mistakes_of(image, vocabulary.names, memory.session.store)
        ]
    explained = [mistake for mistake in mistakes if mistake.terms]
    assert "kite" in {mistake.annotated for mistake in explained}
    for mistake in explained:
        assert [term.source for term in mistake.terms] == ["retrieval.vote", "together"]
        for term in mistake.terms:
            scores = [score for _, score in term.scores]
            assert {mistake.annotated, mistake.called} <= {name for name, _ in term.scores}
            assert scores == sorted(scores, reverse=True)
        together, shares = dict(mistake.terms[-1].scores), [near.share for near in mistake.neighbours]
        assert together[mistake.called] >= together[mistake.annotated]
        assert mistake.verdict and shares and shares == sorted(shares, reverse=True)
