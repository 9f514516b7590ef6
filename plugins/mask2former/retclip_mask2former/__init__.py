"""FC-CLIP's trained half: mask queries over a shared frozen backbone, and the in-vocabulary head that reads them.

Listing components imports this module, so it must not import torch or transformers; read next: `head.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retclip.plugin import LEVELS, TEXT, Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier, MaskProposer
    from retclip.plugin.training import Trainable
    from retclip.types import Device

PAGE = "https://github.com/bytedance/fc-clip#model-zoo"
DRIVE = "https://drive.google.com/file/d"  # where a program may not fetch them: a person does
PUBLISHED = {
    "fcclip_convnext_large": Weights(
        "fcclip_convnext_large",
        "FC-CLIP with ConvNeXt-Large, fine-tuned on COCO panoptic",
        "Apache-2.0",
        PAGE,
        1490,
        (
            WeightFile(
                "fcclip_cocopan.pth",
                sha256="241c141e0fec7f3be7e06915daee60807502de3b7ae8b8cbef2560d6df346257",
                projects=1,
                page=f"{DRIVE}/1-91PIns86vyNaL3CzMmDD39zKGnPMtvj/view",
            ),
        ),
    ),
    "fcclip_rn50x64": Weights(
        "fcclip_rn50x64",
        "FC-CLIP with RN50x64, fine-tuned on COCO panoptic",
        "Apache-2.0",
        PAGE,
        2580,
        (WeightFile("fcclip_cocopan_r50x64.pth", page=f"{DRIVE}/1rvfFVp5p3PZQsHp2NGVEBeYYcqgVVaZX/view"),),
        note="the name of its file could not be confirmed: whatever the page gives is imported under it",
    ),
}


class HeadSizes(Settings):
    """The sizes of a new head (`weights = "random"`); FC-CLIP's by default (method.md 2.1)."""

    queries: int = Field(250, ge=1, description="masks an image, at most")
    feature: int = Field(256, ge=32, multiple_of=32, description="channels of the pixel decoder")
    mask: int = Field(256, ge=1, description="channels of the mask features")
    hidden: int = Field(256, ge=8, description="length of a query's vector; divisible by `heads`")
    heads: int = Field(8, ge=1, description="heads of every attention")
    encoder_layers: int = Field(6, ge=1, description="deformable layers of the pixel decoder")
    encoder_feedforward: int = Field(1024, ge=1, description="hidden channels of theirs")
    decoder_layers: int = Field(9, ge=1, description="layers of the transformer decoder")
    feedforward: int = Field(2048, ge=1, description="hidden channels of theirs")


class LossSettings(Settings):
    """The loss of `retclip finetune`; FC-CLIP's numbers by default (method.md 2.2)."""

    points: int = Field(12544, ge=4, description="points in which two masks are compared")
    oversample: float = Field(3.0, ge=1, description="so many times as many candidates are drawn")
    importance: float = Field(0.75, ge=0, le=1, description="share of the points taken where a mask is least sure")
    class_weight: float = Field(2.0, ge=0, description="of the class term, in the matching and in the loss")
    mask_weight: float = Field(5.0, ge=0, description="of the binary cross-entropy of masks")
    dice_weight: float = Field(5.0, ge=0, description="of the Dice term of masks")
    void_weight: float = Field(0.1, ge=0, description='of "no object" among the classes')


class HeadSettings(Settings):
    """Which fine-tuned head."""

    weights: str = Field(
        "fcclip_convnext_large",
        description="fcclip_convnext_large, fcclip_rn50x64, or a .safetensors file (FC-CLIP's names or this plugin's)",
    )


class QueriesSettings(HeadSettings):
    """Which fine-tuned head; how `retclip finetune` makes a new one, and how it is trained."""

    weights: str = Field(
        "fcclip_convnext_large",
        description="fcclip_convnext_large, fcclip_rn50x64, a .safetensors file (FC-CLIP's names or this plugin's), or "
        "random: a new head, for `retclip finetune` alone",
    )
    precision: Literal["float32", "device"] = Field(
        "float32", description="of the products: float32 as FC-CLIP does, or that of device.dtype"
    )
    sizes: HeadSizes = Field(HeadSizes(), description="of a new head")
    loss: LossSettings = Field(LossSettings(), description="of the fine-tuning")


class InVocabularySettings(HeadSettings):
    """Which fine-tuned head, and the classes that it was fine-tuned on."""

    trained_on: str = Field(
        "coco-panoptic",
        description="coco-panoptic, or a file with a class a line, synonyms after commas; a file of weights that says "
        "it itself is believed first",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="divides the logits of the classes: above 1 the head is less sure which; its probability of no "
        "object stays as it is",
    )


def weights_of(settings: HeadSettings) -> Sequence[Weights]:
    """The published checkpoint that these settings name; none for a file of the user's."""
    return chosen(PUBLISHED, settings.weights)


def _load_queries(settings: QueriesSettings, device: Device) -> MaskProposer:
    from retclip_mask2former.queries import MaskQueries

    return MaskQueries.loaded(settings, device)


def _trainable(settings: QueriesSettings, device: Device, channels: Mapping[str, int], embed: int) -> Trainable:
    from retclip_mask2former.trainable import TrainableQueries

    return TrainableQueries.started(settings, device, channels, embed)


def _load_in_vocabulary(settings: InVocabularySettings, device: Device) -> Classifier:
    from retclip_mask2former.in_vocabulary import InVocabulary

    return InVocabulary.loaded(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `mask2former.queries`."""
    summary = "FC-CLIP's mask queries over the backbone's own feature maps"
    published, needs = tuple(PUBLISHED.values()), frozenset({LEVELS})
    return [
        Component(
            "queries",
            summary,
            QueriesSettings,
            _load_queries,
            needs=needs,
            weights=weights_of,
            published=published,
            trainable=_trainable,
        )
    ]


@impl
def retclip_classifiers() -> Iterable[Component[Classifier]]:
    """Announce `mask2former.in_vocabulary`."""
    summary = "FC-CLIP's in-vocabulary head: what the mask queries say of their masks, compared with the names"
    needs = frozenset({TEXT})
    return [
        Component("in_vocabulary", summary, InVocabularySettings, _load_in_vocabulary, needs=needs, weights=weights_of)
    ]
