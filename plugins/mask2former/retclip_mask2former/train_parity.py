"""One training step of the original FC-CLIP, taken again: matches, every loss, every gradient (method.md 2.2).

The step goes through `TrainableQueries` as `retclip finetune` takes it, from the same resized image, with the random
numbers that the original drew, replayed in its order. `parity.py` prints the comparisons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from retclip.errors import DataError
from retclip.plugin.training import MaskTargets
from retclip.types import DenseFeatures, Device, Vocabulary
from retclip_mask2former.checkpoint import head_of, our_name, our_state
from retclip_mask2former.head import LEVELS
from retclip_mask2former.losses import LossShape
from retclip_mask2former.matching import LossWeights
from retclip_mask2former.point_sampling import Draw
from retclip_mask2former.reference_numbers import Reference, Row, close
from retclip_mask2former.trainable import TrainableQueries, on_frame

LOSS, GRADIENT = (
    1e-4,
    2e-3,
)  # of a loss, relative; of a gradient, relative to the largest of its tensor: rounding in the
# backbone lets a hidden unit at 0 wake or sleep; from the recorded features gradients agree to 4e-5 (a test sees to it)
SMALLEST = 1e-4  # below that share of the largest gradient of all, a tensor's own gradients are noise
NAMES = {"class": "loss_ce", "mask": "loss_mask", "dice": "loss_dice"}


def has_training_step(reference: Reference) -> bool:
    """Whether the folder holds one."""
    return (reference.folder / "train.safetensors").is_file()


def training_rows(reference: Reference, features: DenseFeatures, text: Tensor) -> Iterator[Row]:
    """Every comparison of the step. text: (r, d) unit rows of the fine-tuning vocabulary. Raises DataError."""
    told = _told(reference)
    with torch.enable_grad():
        model = _model(reference)
        draw, used = _replayed(reference)
        terms = reference.terms("train")
        names, more = tuple(one[0] for one in terms), tuple(tuple(one[1:]) for one in terms)
        vocabulary = Vocabulary(names, (None,) * len(names), more, text)
        levels = {name: features.levels[name][None] for name in LEVELS}
        target = on_frame(_targets(reference), features)
        losses, pairs = model.losses(model.head(levels, every_layer=True), [target], vocabulary, draw)
        total = torch.stack(list(losses.values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
    yield Row("train: random draws not used", abs(len(used) - int(told["num_rand_calls"])), 0)
    for number, (mine, theirs) in enumerate(zip(pairs, told["matches_query_gt"], strict=True)):
        found = [one.tolist() for one in mine[0]]
        yield Row(f"train: matches of prediction {number}", int(found != theirs), 0, f"{len(theirs[0])} masks")
    for name, value in losses.items():
        kind, dot, layer = name.partition("_")
        wanted = float(told["losses_weighted"][NAMES[kind] + dot + layer])
        yield Row(f"train: {name}", abs(float(value.detach()) - wanted), LOSS * abs(wanted))
    yield Row("train: total", abs(float(total.detach()) - told["total"]), LOSS * told["total"])
    yield from _gradient_rows(reference, model)


def _gradient_rows(reference: Reference, model: TrainableQueries) -> Iterator[Row]:
    recorded = reference.load("train_grads")
    wanted = our_state({key: value for key, value in recorded.items() if our_name(key) is not None})
    mine = {name: parameter.grad for name, parameter in model.head.named_parameters()}
    lacking = sorted(wanted.keys() ^ {name for name, value in mine.items() if value is not None})
    yield Row("train: gradients that only one side has", len(lacking), 0, ", ".join(lacking[:3]))
    floor = SMALLEST * max(float(value.abs().max()) for value in wanted.values())
    for name in sorted(wanted.keys() - set(lacking)):
        found, theirs = mine[name], wanted[name]
        allowed = GRADIENT * max(float(theirs.abs().max()), floor)
        yield close(f"train: gradient of {name}", torch.zeros(0) if found is None else found, theirs, allowed)


def _model(reference: Reference) -> TrainableQueries:
    config = reference.config["loss"]
    weights = LossWeights(
        config["CLASS_WEIGHT"], config["MASK_WEIGHT"], config["DICE_WEIGHT"], config["NO_OBJECT_WEIGHT"]
    )
    shape = LossShape(
        weights, config["TRAIN_NUM_POINTS"], config["OVERSAMPLE_RATIO"], config["IMPORTANCE_SAMPLE_RATIO"]
    )
    head = head_of(reference.load("state"), bool(reference.config.get("pre_norm")))
    return TrainableQueries(head, Device(), shape)


def _targets(reference: Reference) -> MaskTargets:
    numbers = reference.load("train")
    classes = numbers["gt_classes"]
    masks = numbers["gt_idmap"][None] == torch.arange(1, len(classes) + 1)[:, None, None]
    return MaskTargets(masks, classes)


def _replayed(reference: Reference) -> tuple[Draw, list[int]]:
    """The recorded random numbers one after the other, and a list that grows with each use."""
    numbers, used = reference.load("train"), list[int]()

    def draw(shape: tuple[int, ...]) -> Tensor:
        recorded = numbers[f"rand.{len(used):02d}"]
        if tuple(recorded.shape) != tuple(shape):
            got = f"{tuple(shape)} asked for, {tuple(recorded.shape)} recorded"
            raise DataError(f"random draw {len(used)} of the original's shape", got, "compare the order of the draws")
        used.append(len(used))
        return recorded

    return draw, used


def _told(reference: Reference) -> dict[str, Any]:
    path = reference.folder / "losses.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the losses of a training step in {path}", str(error), "add the file") from error
    return found
