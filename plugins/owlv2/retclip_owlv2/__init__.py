"""OWLv2 as a box proposer: any number of class names, no limit across them (method.md 6.5).

Listing components imports this module, so it must not import torch or transformers; read next: `boxes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import MaskProposer
    from retclip.types import Device

BESIDE = ("preprocessor_config.json", "tokenizer_config.json", "vocab.json", "merges.txt")


def _owlv2(name: str, megabytes: int, revision: str, tensors: WeightFile, note: str = "") -> Weights:
    repository = f"google/owlv2-{name}"
    page, files = f"https://huggingface.co/{repository}", ("config.json", tensors, *BESIDE)
    key, summary = f"owlv2_{name.split('-')[0]}", f"OWLv2, {name}"
    return Weights(key, summary, "Apache-2.0", page, megabytes, hub(repository, *files, revision=revision), note)


PUBLISHED = {
    weights.name: weights
    for weights in (
        _owlv2(
            "base-patch16-ensemble", 620, "cfd3195ba4ea9592eec887ded089f4c08eff231d",
            WeightFile(
                "model.safetensors", size=619_918_824, projects=6,
                sha256="e1e130b9e404cf91a75ad45644c1da9d7fa5284085eecc864266a6923efb99e7",
            ),
        ),
        _owlv2(
            "large-patch14-ensemble", 1750, "d638f16c163f70a8b6bd643b2ddbfc8be2c34807",
            WeightFile("model.safetensors"), note="the commit is stated by one project only",
        ),
    )
}  # fmt: skip


class BoxesSettings(Settings):
    """Which OWLv2, and which of its boxes are kept."""

    model: str = Field("owlv2_base", description="owlv2_base, owlv2_large, or a folder in transformers' form")
    box_threshold: float = Field(0.1, ge=0, le=1, description="boxes below this score are dropped")
    nms: float = Field(0.7, gt=0, le=1, description="of two boxes that overlap more, the better one stays")
    template: str = Field("a photo of a {}", description="what a name is put into")
    names_at_once: int = Field(64, ge=1, description="names that are read together")
    side: int = Field(256, ge=8, description="longer side of the masks' grid, in cells")


def weights_of(settings: BoxesSettings) -> Sequence[Weights]:
    """The published model that these settings name; none for a folder of the user's."""
    return chosen(PUBLISHED, settings.model)


def _load(settings: BoxesSettings, device: Device) -> MaskProposer:
    from retclip_owlv2.boxes import Boxes

    return Boxes(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `owlv2.boxes`."""
    summary = "OWLv2's boxes of the classes asked for, as filled boxes"
    published = tuple(PUBLISHED.values())
    return [Component("boxes", summary, BoxesSettings, _load, weights=weights_of, published=published)]
