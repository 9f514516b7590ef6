"""The assignment of queries to masks: by hand, against transformers' matcher, and at its edges."""

import itertools

import torch
from retclip_mask2former.matching import LossWeights, least_cost, matching_cost
from retclip_mask2former.point_sampling import at_points
from transformers.models.mask2former.modeling_mask2former import Mask2FormerHungarianMatcher


def matched(*given):
    return least_cost(matching_cost(*given))


def example(queries=5, targets=3, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(queries, classes + 1, generator=generator)
    masks = torch.randn(queries, 6, 8, generator=generator) * 3
    wanted = (torch.randn(targets, 12, 16, generator=generator) > 0).float()
    points = torch.rand(1, 40, 2, generator=generator)
    return logits, masks, torch.randint(classes, (targets,), generator=generator), wanted, points


def test_two_queries_and_two_masks_by_hand():
    """Query 0 draws the right half and says class 1, query 1 the left half and class 0; the masks come left, right."""
    left = torch.zeros(2, 2)
    left[:, 0] = 1
    masks = torch.stack((1 - left, left)) * 20 - 10
    logits = torch.tensor([[-5.0, 5.0, -5.0], [5.0, -5.0, -5.0]])
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]])
    found = matched(logits, masks, torch.tensor([0, 1]), torch.stack((left, 1 - left)), points, LossWeights())
    assert [one.tolist() for one in found] == [[0, 1], [1, 0]]


def test_the_cost_is_the_written_one_and_the_least_of_all_assignments():
    for seed in range(5):
        logits, masks, classes, wanted, points = example(seed=seed)
        weights = LossWeights(classes=2.0, mask=5.0, dice=5.0)
        found = at_points(masks, points.expand(5, -1, -1)).double()
        truth = at_points(wanted, points.expand(3, -1, -1)).double()
        cost = torch.zeros(5, 3, dtype=torch.double)
        for q, t in itertools.product(range(5), range(3)):
            p = found[q].sigmoid()
            entropy = -(truth[t] * p.log() + (1 - truth[t]) * (1 - p).log()).mean()
            dice = 1 - (2 * (p * truth[t]).sum() + 1) / (p.sum() + truth[t].sum() + 1)
            cost[q, t] = 5 * entropy + 5 * dice - 2 * logits[q].double().softmax(0)[classes[t]]
        best = min(itertools.permutations(range(5), 3), key=lambda qs: sum(cost[q, t] for t, q in enumerate(qs)))
        queries, targets = matched(logits, masks, classes, wanted, points, weights)
        assert dict(zip(targets.tolist(), queries.tolist(), strict=True)) == dict(enumerate(best))
        assert queries.tolist() == sorted(queries.tolist())


def test_transformers_own_matcher_says_the_same(monkeypatch):
    for seed in range(5):
        logits, masks, classes, wanted, points = example(queries=7, targets=4, seed=seed)
        monkeypatch.setattr(torch, "rand", lambda *_, **__: points)  # noqa: B023  (used at once)
        matcher = Mask2FormerHungarianMatcher(cost_class=2.0, cost_mask=5.0, cost_dice=5.0, num_points=40)
        theirs = matcher(masks[None], logits[None], [wanted], [classes])[0]
        monkeypatch.undo()
        ours = matched(logits, masks, classes, wanted, points, LossWeights())
        assert [one.tolist() for one in ours] == [one.tolist() for one in theirs]


def test_more_masks_than_queries_none_at_all_and_numbers_that_are_none():
    logits, masks, classes, wanted, points = example(queries=2, targets=3)
    queries, targets = matched(logits, masks, classes, wanted, points, LossWeights())
    assert queries.tolist() == [0, 1] and len(set(targets.tolist())) == 2
    nothing = matched(logits, masks, classes[:0], wanted[:0], points, LossWeights())
    assert [one.tolist() for one in nothing] == [[], []]
    queries, _ = matched(logits * torch.nan, masks, classes, wanted, points, LossWeights())
    assert len(queries) == 2  # the loss will be no number, and that is told with the step; no crash here
