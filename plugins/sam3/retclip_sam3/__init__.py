"""SAM 3's instances of named concepts, through transformers: a strong class-aware proposer (method.md 8.1).

Listing components imports this module, so it must not import torch or transformers; read next: `concepts.py`.
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

FILES = (
    "config.json",
    WeightFile(
        "model.safetensors", projects=7, size=3_439_938_512,
        sha256="6d06f0a5f84e435071fe6603e61d0b4cc7b40e0d39d487cfd4d67d8cc11cc14a",
    ),
    "processor_config.json", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip
REVISION = "3c879f39826c281e95690f02c7821c4de09afae7"
PUBLISHED = {
    "sam3": Weights(
        "sam3", "SAM 3 (gated: accept its licence on the page, set RETCLIP_WEIGHTS__TOKEN)", "SAM License",
        "https://huggingface.co/facebook/sam3", 3440, hub("facebook/sam3", *FILES, revision=REVISION),
    )
}  # fmt: skip


class ConceptsSettings(Settings):
    """Which SAM 3, and which of its instances are kept (method.md 6.5)."""

    model: str = Field("sam3", description="sam3, or a folder in transformers' form")
    score_threshold: float = Field(0.3, ge=0, le=1, description="instances below this score are dropped")
    nms: float = Field(0.7, gt=0, le=1, description="of two boxes of one class that overlap more, the better one stays")
    names_at_once: int = Field(4, ge=1, description="names that are asked for together")


def weights_of(settings: ConceptsSettings) -> Sequence[Weights]:
    """The published model that these settings name; none for a folder of the user's."""
    return chosen(PUBLISHED, settings.model)


def _load(settings: ConceptsSettings, device: Device) -> MaskProposer:
    from retclip_sam3.concepts import Concepts

    return Concepts(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `sam3.concepts`."""
    published = tuple(PUBLISHED.values())
    summary = "SAM 3's instances of the classes asked for"
    return [Component("concepts", summary, ConceptsSettings, _load, weights=weights_of, published=published)]
