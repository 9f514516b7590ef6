"""The loss of one prediction: each term by its written formula, against transformers', and without any target."""

import pytest
import torch
import torch.nn.functional as F
from retclip_mask2former.losses import FrameTargets, LossShape, prediction_losses, total_masks
from retclip_mask2former.matching import LossWeights
from retclip_mask2former.point_sampling import drawn_from
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss

SHAPE = LossShape(points=24)


def example(batch=2, queries=5, classes=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, queries, classes + 1, generator=generator)
    masks = torch.randn(batch, queries, 6, 8, generator=generator) * 2
    targets = [
        FrameTargets(
            (torch.randn(count, 24, 32, generator=generator) > 0).float(),
            torch.randint(classes, (count,), generator=generator),
        )
        for count in range(2, 2 + batch)
    ]
    return logits, masks, targets


def test_the_class_term_by_hand():
    """One image, two queries, one mask of class 0: -log p(0) and 0.1 * -log p(void), over their weights 1 + 0.1."""
    logits = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.0, 3.0]]])
    masks = torch.stack((torch.full((4, 4), 5.0), torch.full((4, 4), -5.0)))[None]
    targets = [FrameTargets(torch.ones(1, 4, 4), torch.tensor([0]))]
    terms, pairs = prediction_losses(logits, masks, targets, 1.0, drawn_from(torch.Generator()), SHAPE)
    assert [one.tolist() for one in pairs[0]] == [[0], [0]]
    p = logits[0].softmax(-1)
    wanted = 2.0 * (-p[0, 0].log() - 0.1 * p[1, 2].log()) / 1.1
    assert terms["class"].item() == pytest.approx(wanted.item(), rel=1e-6)


def test_the_mask_terms_by_hand():
    """A mask of one logit everywhere over a full target: cross-entropy log(1 + e^-5), Dice 1 - (2 n p + 1) / (n p + n +
    1)."""
    masks = torch.full((1, 1, 4, 4), 5.0)
    targets = [FrameTargets(torch.ones(1, 4, 4), torch.tensor([0]))]
    inside = LossShape(points=8, importance=1.0)

    def middle(shape):  # away from the border, beyond which everything is 0
        return torch.full(shape, 0.5)

    terms, _ = prediction_losses(torch.zeros(1, 1, 2), masks, targets, 4.0, middle, inside)
    p = torch.sigmoid(torch.tensor(5.0)).item()
    assert terms["mask"].item() == pytest.approx(5 * F.softplus(torch.tensor(-5.0)).item() / 4, rel=1e-5)
    assert terms["dice"].item() == pytest.approx(5 * (1 - (16 * p + 1) / (8 * p + 8 + 1)) / 4, rel=1e-4)


def test_transformers_own_loss_says_the_same(monkeypatch):
    """With the same points in the same order; theirs has the weights outside."""
    logits, masks, targets = example()
    generator = torch.Generator().manual_seed(9)
    recorded = []

    def draw(shape):
        recorded.append(torch.rand(shape, generator=generator))
        return recorded[-1]

    ours, _ = prediction_losses(logits, masks, targets, total_masks(targets), draw, SHAPE)
    replayed = iter(recorded)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: next(replayed))
    config = Mask2FormerConfig(
        num_queries=5, train_num_points=24, no_object_weight=0.1, class_weight=2.0, mask_weight=5.0, dice_weight=5.0,
        id2label={n: str(n) for n in range(3)},
    )  # fmt: skip
    theirs = Mask2FormerLoss(config, {})(
        masks, logits, [one.masks for one in targets], [one.classes for one in targets]
    )
    for name, other, weight in (("class", "cross_entropy", 2.0), ("mask", "mask", 5.0), ("dice", "dice", 5.0)):
        assert ours[name].item() == pytest.approx(weight * theirs[f"loss_{other}"].item(), rel=1e-5), name


def test_an_image_without_targets_teaches_that_nothing_is_there():
    logits, masks, _ = example(batch=1)
    logits.requires_grad_(), masks.requires_grad_()
    nothing = [FrameTargets(torch.zeros(0, 24, 32), torch.zeros(0, dtype=torch.int64))]
    terms, _ = prediction_losses(logits, masks, nothing, total_masks(nothing), drawn_from(torch.Generator()), SHAPE)
    wanted = -2.0 * logits[0].detach().log_softmax(-1)[:, -1].mean()
    assert terms["class"].item() == pytest.approx(wanted.item(), rel=1e-6)
    assert terms["mask"].item() == terms["dice"].item() == 0.0
    sum(terms.values()).backward()
    assert torch.isfinite(masks.grad).all() and not masks.grad.any()


def test_weights_and_divisor_scale_their_terms():
    logits, masks, targets = example()
    shape = LossShape(LossWeights(), points=24)
    one, two = (
        prediction_losses(logits, masks, targets, divisor, drawn_from(torch.Generator().manual_seed(2)), shape)[0]
        for divisor in (1.0, 2.0)
    )
    assert one["class"] == two["class"] and one["mask"].item() == pytest.approx(2 * two["mask"].item())
    assert total_masks(targets) == 5.0 and total_masks([]) == 1.0
