"""`retrieval.vote`: the labels of the nearest stored segments vote (paper, section 2.2). No model, no weights.

`retrieval.prototypes`: what stands for all stored segments of a class is compared, its mean or its centres.
`retrieval.fitted`: the nearest segments teach a linear layer for one photo.

Listing components imports this module, so it must not import torch; read next: `vote.py`, `prototypes.py`, `fitted.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retclip.plugin import NEIGHBOURS, TEXT, Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier
    from retclip.types import Device


class VoteSettings(Settings):
    """How k neighbours become one score per class; the formulas stand in `retclip.algorithms.retrieval_scores`."""

    vote: Literal["minmax", "softmax", "rank"] = Field(
        "minmax",
        description="minmax: 1 - the distance scaled by the nearest and farthest of the k (paper, section 2.2); the "
        "nearest always scores 1, so where nothing else votes it alone decides and retrieval.k does nothing; "
        "softmax: exp(-distance / temperature), normalised over the k; rank: 1 / (2 + rank), normalised",
    )
    aggregate: Literal["max", "mean"] = Field(
        "max", description="minmax vote only: how neighbours of one class combine: the best, or their mean"
    )
    temperature: float = Field(0.07, gt=0, description="softmax vote only; smaller trusts the nearest more")
    max_distance: float | None = Field(
        None, gt=0, le=2, description="neighbours with a larger cosine distance have no vote; None: all vote"
    )
    certainty_distance: float | None = Field(
        None,
        gt=0,
        le=2,
        description="cosine distance of the nearest neighbour at which a vote is half certain: beside other "
        "classifiers a certain vote decides, an uncertain one yields to them; None: `ensemble.gamma` alone weighs",
    )
    certainty_width: float = Field(0.08, gt=0, description="how fast certainty falls around that distance")
    pseudo_neighbours: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="m: beside CLIP the vote weighs n / (n + m) of `ensemble.gamma` for a class of which n of the "
        "mask's neighbours are, nothing where none is; 0: the whole gamma for every class",
    )
    agreement: bool = Field(
        False,
        description="beside CLIP the vote weighs `ensemble.gamma` times the share of the mask's neighbours that are of "
        "their most frequent class",
    )
    trust: Literal["none", "weight", "filter"] = Field(
        "none",
        description="of a stored segment's label, as `retclip audit mislabels` computes it; none: all vote alike; "
        "weight: below `least_trust` a vote counts the square of trust / (1 - trust) over the same of `least_trust`; "
        "filter: below it no vote. A segment without a trust votes whole",
    )
    least_trust: float = Field(
        0.4,
        ge=0,
        le=1,
        description="from which on a label votes whole; 0.5: another class is as near to the segment as its own",
    )
    per_class_best: int = Field(
        0,
        ge=0,
        description="m: a class scores the mean vote of its m nearest, of m neighbours of each class instead of "
        "retrieval.k of all; instead of `aggregate`, or of the sum; 0: off",
    )


class PrototypesSettings(Settings):
    """How a class is summed up, and how near it is; the formulas stand in `retclip.algorithms.prototypes`."""

    per_class: int = Field(
        1, ge=1, description="1: the mean of each class; m: the centres of k-means of m, where it has more segments"
    )
    temperature: float = Field(
        0.02, gt=0, description="of the softmax over the classes; smaller trusts the nearest prototype more"
    )


class FittedSettings(Settings):
    """How a linear layer is fitted to a photo; the formulas stand in `retclip.algorithms.image_fusion`."""

    nearest: int = Field(8, ge=1, description="so many of each mask's neighbours teach the layer")
    ridge: float = Field(1.0, gt=0, description="the ridge; more: nearer to the mean of what each class was taught by")
    temperature: float = Field(0.02, gt=0, description="of the softmax over the layer's answers")


def _load_fitted(settings: FittedSettings, device: Device) -> Classifier:
    from retclip_retrieval.fitted import Fitted

    return Fitted(settings, device)


def _load_prototypes(settings: PrototypesSettings, device: Device) -> Classifier:
    from retclip_retrieval.prototypes import Prototypes

    return Prototypes(settings, device)


def _load(settings: VoteSettings, device: Device) -> Classifier:
    from retclip_retrieval.vote import Vote

    return Vote(settings, device)


@impl
def retclip_classifiers() -> Iterable[Component[Classifier]]:
    """Announce `retrieval.vote`, `retrieval.prototypes` and `retrieval.fitted`."""
    summary = "scores from the labels of the nearest stored segments"
    means = "scores from the nearest mean or centre of each class's stored segments"
    fitted = "scores by a linear layer that the photo's nearest stored segments and the names teach"
    return [
        Component("vote", summary, VoteSettings, _load, needs=frozenset({NEIGHBOURS})),
        Component("prototypes", means, PrototypesSettings, _load_prototypes, needs=frozenset({NEIGHBOURS})),
        Component("fitted", fitted, FittedSettings, _load_fitted, needs=frozenset({NEIGHBOURS, TEXT})),
    ]
