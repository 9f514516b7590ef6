"""Guarded and checked calls of the two components of fine-tuning: frozen features, and the losses of a batch.

A photo on which the backbone raises is that photo's failure: the others of its batch are trained on. The losses are of
the whole batch, so an error of the proposer there is the proposer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retclip.device import autocast
from retclip.errors import DataError
from retclip.plugin.calls import at_work, on_photos
from retclip.plugin.checks import broken, checked_features
from retclip.plugin.contracts import Backbone
from retclip.store.records import Failure
from retclip.types import DenseFeatures, Device, Image
from retclip.workflows.segment.describe_image import addresses
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.training.training_data import Sample


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples with their features, and failures of those on which the backbone raised."""

    samples: Sequence[Sample]
    features: Sequence[DenseFeatures]
    failures: Sequence[Failure] = ()


def frozen_features(backbone: Loaded[Backbone], images: Sequence[Image], device: Device) -> list[DenseFeatures]:
    """Return features without a gradient that a loss can be computed from, which inference mode would forbid.

    images: b of them, in the order of the features.
    device: its dtype is autocast's.

    Raises DataError for what the backbone raises on the images, ContractBroken.
    """
    with torch.no_grad(), autocast(device), on_photos(backbone.name, addresses(images)):
        features = backbone.component.dense_features(images)
    return checked_features(features, images, backbone.component.space, backbone.name)


def batch_of(backbone: Loaded[Backbone], samples: Sequence[Sample], device: Device) -> Batch:
    """Return the samples that the backbone can process, with their features.

    samples: images with their targets; those of which the backbone says that it cannot are left out.
    device: its dtype is autocast's.

    Raises DataError where none is left, ContractBroken.
    """
    try:
        return Batch(samples, frozen_features(backbone, [sample.image for sample in samples], device))
    except DataError:
        if len(samples) == 1:
            raise
    readable, features, failures = list[Sample](), list[DenseFeatures](), list[Failure]()
    for sample in samples:
        try:
            features += frozen_features(backbone, [sample.image], device)
            readable.append(sample)
        except DataError as error:
            reason, last = str(error), error
            failures.append(Failure(sample.external_id, sample.image.uri, reason))
    if not readable:
        raise last
    return Batch(readable, features, failures)


def checked_losses(component: str, step: int, losses: Callable[[], Any]) -> Mapping[str, Tensor]:
    """Return the losses of a step by name, scalars. Raises PluginFailed for what computing them raises,
    ContractBroken.
    """
    with at_work(component, f"compute the losses of step {step}"):
        terms = losses()
    if not isinstance(terms, Mapping) or not terms:
        raise broken(component, "losses by name", f"{type(terms).__name__}")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim != 0 or not value.dtype.is_floating_point:
            raise broken(component, f"a scalar tensor for the loss {name!r}", f"{value!r}"[:80])
    return terms
