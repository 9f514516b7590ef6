"""One training step of the original FC-CLIP, taken again: matches, every loss, every gradient (method.md 2.2).

The step goes through `TrainableQueries` as `retclip finetune` takes it, from the recorded feature maps, with the random
numbers that the original drew, replayed in its order. `parity.py` prints the comparisons.

The step is taken in float64, so that its outcome is the same on every processor and with any number of threads. In
float32 it is not, and no bound on rounding would hold, because the step decides: which cells a query may look at (a
logit above 0), which hidden units are awake, which query answers for which target. One cell of the ConvNeXt fixture has
a logit of 2.6e-6; where float32's rounding (1e-5, of logits up to 20) turns it, gradients change by a fifth of their
largest. What is left in float64 is the rounding of the recorded run itself, which is the same for everybody.

Targets that none of the random points meets cost every query the same, so that several assignments are equally good: of
the recorded one it is asked that its cost is the least, and then it is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retclip.errors import DataError
from retclip.plugin.training import MaskTargets
from retclip.types import Device, Vocabulary
from retclip_mask2former.checkpoint import head_of, our_name, our_state
from retclip_mask2former.losses import LossShape
from retclip_mask2former.matching import Assignment, LossWeights, least_cost
from retclip_mask2former.point_sampling import Draw
from retclip_mask2former.reference_numbers import Reference, Row, close, recorded_features
from retclip_mask2former.trainable import TrainableQueries, on_frame

# Relative: of a loss or a cost to itself, of a gradient to the largest in its layer; about ten and five times what the
# rounding of the recorded run shows (9e-7 and 4e-6).
LOSS, GRADIENT = 1e-5, 2e-5
# The same of a gradient in the pixel decoder: of its 4 million hidden units some lie within float32's rounding of 0,
# and one that is awake in one of the two runs alone moves the gradients behind it by up to 1e-3.
ASLEEP = 2e-3
NAMES = {"class": "loss_ce", "mask": "loss_mask", "dice": "loss_dice"}


def has_training_step(reference: Reference) -> bool:
    """Whether the folder holds one."""
    return (reference.folder / "train.safetensors").is_file()


def training_rows(reference: Reference) -> Iterator[Row]:
    """Every comparison of the step. Raises DataError."""
    recorded, model = recorded_losses(reference), model_of(reference)
    draw, used = replayed(reference)
    assign = RecordedMatches(recorded["matches_query_gt"])
    losses, total = step(reference, model, draw, assign)
    yield Row("train: random draws not used", abs(len(used) - int(recorded["num_rand_calls"])), 0)
    yield from assign.rows
    for name, value in losses.items():
        kind, dot, layer = name.partition("_")
        weighted_loss = float(recorded["losses_weighted"][NAMES[kind] + dot + layer])
        yield Row(f"train: {name}", abs(float(value) - weighted_loss), LOSS * abs(weighted_loss))
    yield Row("train: total", abs(float(total) - recorded["total"]), LOSS * recorded["total"])
    yield from _gradient_rows(reference, gradients(model))


def step(
    reference: Reference, model: TrainableQueries, draw: Draw, assign: Assignment
) -> tuple[dict[str, Tensor], Tensor]:
    """Take the step: the losses by name, and their sum; the gradients lie in the model afterwards."""
    terms, text = reference.terms("train"), reference.load("text")["train.classifier"]
    names, synonyms = zip(*((name, tuple(more)) for name, *more in terms), strict=True)
    vocabulary = Vocabulary(names, (None,) * len(names), synonyms, text)
    features = recorded_features(reference)
    levels = {name: level.double()[None] for name, level in features.levels.items()}
    with torch.enable_grad():
        predictions = model.head(levels, every_layer=True)
        losses, _ = model.losses(predictions, [on_frame(_targets(reference), features)], vocabulary, draw, assign)
        total = torch.stack(list(losses.values())).sum()
        total.backward()
    return {name: value.detach() for name, value in losses.items()}, total.detach()


def gradients(model: TrainableQueries) -> dict[str, Tensor]:
    """The gradient of every tensor of the head that has one, by the tensor's name."""
    return {
        name: parameter.grad.clone() for name, parameter in model.head.named_parameters() if parameter.grad is not None
    }


def recorded_gradients(reference: Reference) -> dict[str, Tensor]:
    """The original's, under this plugin's names."""
    recorded = reference.load("train_grads")
    return our_state({key: value for key, value in recorded.items() if our_name(key) is not None})


def scale_of(name: str, recorded: Mapping[str, Tensor]) -> float:
    """The largest recorded gradient of a tensor's layer, its weight and its bias. The bias of an attention's keys has
    no scale of its own: soft-max does not see what is added to every key, and the gradient is 0 but for rounding."""
    of_layer = (name, name.removesuffix("bias") + "weight")
    return max(float(recorded[name].abs().max()) for name in of_layer if name in recorded)


def _gradient_rows(reference: Reference, computed: Mapping[str, Tensor]) -> Iterator[Row]:
    recorded = recorded_gradients(reference)
    differing = sorted(recorded.keys() ^ computed.keys())
    yield Row("train: gradients that only one side has", len(differing), 0, ", ".join(differing[:3]))
    for name in sorted(recorded.keys() & computed.keys()):
        share = ASLEEP if name.startswith("pixel_decoder.") else GRADIENT
        yield close(f"train: gradient of {name}", computed[name], recorded[name], share * scale_of(name, recorded))


class RecordedMatches:
    """An assignment: the recorded one of each prediction in turn. rows: how much more each costs than the best."""

    def __init__(self, matches: Sequence[tuple[list[int], list[int]]]) -> None:
        self._matches = iter(matches)
        self.rows: list[Row] = []

    def __call__(self, cost: Tensor) -> tuple[Tensor, Tensor]:
        """Answer with the next recorded match, and note how far above the least cost it lies."""
        queries, targets = (torch.tensor(indices) for indices in next(self._matches))
        least_sum = float(cost[least_cost(cost)].sum())
        excess = float(cost[queries, targets].sum()) - least_sum
        complete = len({*targets.tolist()}) == len({*queries.tolist()}) == min(cost.shape)
        name, detail = f"train: matches of prediction {len(self.rows)}", f"{len(targets)} masks, above the least cost"
        self.rows.append(Row(name, excess if complete else math.nan, LOSS * abs(least_sum), detail))
        return queries, targets


def model_of(reference: Reference) -> TrainableQueries:
    """The recorded head in float64, with the recorded loss."""
    config = reference.config["loss"]
    weights = LossWeights(
        config["CLASS_WEIGHT"], config["MASK_WEIGHT"], config["DICE_WEIGHT"], config["NO_OBJECT_WEIGHT"]
    )
    shape = LossShape(
        weights, config["TRAIN_NUM_POINTS"], config["OVERSAMPLE_RATIO"], config["IMPORTANCE_SAMPLE_RATIO"]
    )
    head = head_of(reference.load("state"), bool(reference.config.get("pre_norm"))).double()
    return TrainableQueries(head, Device(), shape)


def _targets(reference: Reference) -> MaskTargets:
    numbers = reference.load("train")
    classes = numbers["gt_classes"]
    masks = numbers["gt_idmap"][None] == torch.arange(1, len(classes) + 1)[:, None, None]
    return MaskTargets(masks, classes)


def replayed(reference: Reference) -> tuple[Draw, list[int]]:
    """The recorded random numbers one after the other, and a list that grows with each use."""
    numbers, used = reference.load("train"), list[int]()

    def draw(shape: tuple[int, ...]) -> Tensor:
        recorded = numbers[f"rand.{len(used):02d}"]
        if tuple(recorded.shape) != tuple(shape):
            shapes = f"{tuple(shape)} asked for, {tuple(recorded.shape)} recorded"
            raise DataError(
                f"random draw {len(used)} of the original's shape", shapes, "compare the order of the draws"
            )
        used.append(len(used))
        return recorded

    return draw, used


def recorded_losses(reference: Reference) -> dict[str, Any]:
    """Every loss, the matches and how many random tensors were drawn. Raises DataError."""
    path = reference.folder / "losses.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the losses of a training step in {path}", str(error), "add the file") from error
    return document
