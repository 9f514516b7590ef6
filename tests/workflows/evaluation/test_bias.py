"""The bias to seen classes over images, with intervals, and from counts that were written and read."""

import torch

from retclip.types import ClassScores, Role
from retclip.workflows.evaluation.bias import Crossing
from retclip.workflows.evaluation.evaluate import evaluate
from retclip.workflows.evaluation.image_counts import counts_of_line

ALL_SKY = [[1.0, 0, 0, 0], [1.0, 0, 0, 0]]  # over sky, grass, car, sand


class Head:
    """An in-vocabulary classifier that calls everything sky; it saw sky and car."""

    role, trained_on = Role.IN_VOCABULARY, ("sky", "car")

    def score(self, proposals, segments, vocabulary, neighbours):
        return ClassScores(torch.tensor(ALL_SKY), torch.ones(len(vocabulary), dtype=torch.bool), self.role)


def test_who_calls_everything_by_a_seen_class(kit):
    parts = kit.parts(kit.StoredNames(), kit.annotated, [Head()])
    images = [kit.picture("grass", "sand"), kit.picture("sky", "car"), kit.picture("sky", "grass", seed=1)]
    bias = evaluate(parts, kit.Source(images)).bias
    assert (bias.unseen, bias.seen) == (3, 3)
    assert (bias.unseen_as_seen, bias.seen_as_unseen) == (100, 0)
    assert bias.unseen_as_seen_interval == (100, 100)
    assert bias.crossings == (Crossing("grass", "sky", 2), Crossing("sand", "sky", 1))


def test_without_groups_there_is_none(kit):
    parts = kit.parts(kit.StoredNames(), kit.annotated, [kit.Classifier(ALL_SKY)])
    assert evaluate(parts, kit.Source([kit.picture()])).bias is None


def test_what_segments_are_called_is_kept_in_a_line(kit):
    from retclip.workflows.evaluation.counters import Counters, Prediction
    from retclip.workflows.evaluation.instances import Annotated

    image = kit.picture("sky", "grass")
    counters = Counters(("sky", "grass"), (False, False))
    counts = counters.counted(Prediction(image.truth, None, None), image.truth, Annotated([]), 0)
    assert counts.called == [(0, 0, 1), (1, 1, 1)] and (counts.right, counts.judged) == (2, 2)
    again = counts_of_line(counts.as_line())
    assert [tuple(row) for row in again.called] == counts.called
    assert again.panoptic_quality == 1
