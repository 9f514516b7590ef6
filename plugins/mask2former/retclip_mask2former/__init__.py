"""FC-CLIP's trained half: mask queries over a shared frozen backbone, and the in-vocabulary head that reads them.

Listing components imports this module, so it must not import torch or transformers; read next: `head.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import LEVELS, TEXT, Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier, MaskProposer
    from retclip.types import Device

PAGE = "https://github.com/bytedance/fc-clip#model-zoo"
PUBLISHED = {
    "fcclip_convnext_large": Weights(
        "fcclip_convnext_large",
        "FC-CLIP with ConvNeXt-Large, fine-tuned on COCO panoptic",
        "Apache-2.0",
        PAGE,
        1490,
        (WeightFile("fcclip_cocopan.pth"),),  # on Google Drive: a person fetches it
    ),
    "fcclip_rn50x64": Weights(
        "fcclip_rn50x64",
        "FC-CLIP with RN50x64, fine-tuned on COCO panoptic",
        "Apache-2.0",
        PAGE,
        2580,
        (WeightFile("fcclip_cocopan_r50x64.pth"),),
    ),
}


class HeadSettings(Settings):
    """Which fine-tuned head."""

    weights: str = Field(
        "fcclip_convnext_large",
        description="fcclip_convnext_large, fcclip_rn50x64, or a .safetensors file (FC-CLIP's names or this plugin's)",
    )


class InVocabularySettings(HeadSettings):
    """Which fine-tuned head, and the classes that it was fine-tuned on."""

    trained_on: str = Field(
        "coco-panoptic",
        description="coco-panoptic, or a file with a class a line, synonyms after commas; a file of weights that says "
        "it itself is believed first",
    )


def weights_of(settings: HeadSettings) -> Sequence[Weights]:
    """The published checkpoint that these settings name; none for a file of the user's."""
    return chosen(PUBLISHED, settings.weights)


def _load_queries(settings: HeadSettings, device: Device) -> MaskProposer:
    from retclip_mask2former.queries import MaskQueries

    return MaskQueries(settings, device)


def _load_in_vocabulary(settings: InVocabularySettings, device: Device) -> Classifier:
    from retclip_mask2former.in_vocabulary import InVocabulary

    return InVocabulary(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `mask2former.queries`."""
    summary = "FC-CLIP's mask queries over the backbone's own feature maps"
    known, needs = tuple(PUBLISHED.values()), frozenset({LEVELS})
    return [
        Component("queries", summary, HeadSettings, _load_queries, needs=needs, weights=weights_of, published=known)
    ]


@impl
def retclip_classifiers() -> Iterable[Component[Classifier]]:
    """Announce `mask2former.in_vocabulary`."""
    summary = "FC-CLIP's in-vocabulary head: what the mask queries say of their masks, compared with the names"
    needs = frozenset({TEXT})
    return [
        Component("in_vocabulary", summary, InVocabularySettings, _load_in_vocabulary, needs=needs, weights=weights_of)
    ]
