"""DINOv2 as a backbone for the keys of the store: kNN-CLIP's second encoder (method.md 7.1).

Listing components imports this module, so it must not import torch or transformers; read next: `keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import Component, Settings, impl
from retclip.plugin.weights import Weights, chosen, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone
    from retclip.types import Device

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def _dinov2(size: str, megabytes: int) -> Weights:
    repository = f"facebook/dinov2-{size}"
    page = f"https://huggingface.co/{repository}"
    return Weights(f"dinov2_{size}", f"DINOv2, {size}", "Apache-2.0", page, megabytes, hub(repository, *FILES))


PUBLISHED = {one.name: one for one in map(_dinov2, ("small", "base", "large", "giant"), (88, 346, 1217, 4546))}


class KeysSettings(Settings):
    """Which DINOv2, on which size of the photo."""

    model: str = Field("dinov2_large", description="dinov2_small, dinov2_base, dinov2_large, dinov2_giant, or a folder")
    short_side: int = Field(518, ge=14, description="the shorter side is resized to about this, in pixels")
    long_side: int = Field(1036, ge=14, description="but the longer side to no more than about this, in pixels")


def weights_of(settings: KeysSettings) -> Sequence[Weights]:
    """The published model that these settings name; none for a folder of the user's."""
    return chosen(PUBLISHED, settings.model)


def _load(settings: KeysSettings, device: Device) -> Backbone:
    from retclip_dinov2.keys import Keys

    return Keys(settings, device)


@impl
def retclip_backbones() -> Iterable[Component[Backbone]]:
    """Announce `dinov2.keys`."""
    summary = "DINOv2's patches averaged over masks: keys of the store beside a CLIP backbone; no text tower"
    return [Component("keys", summary, KeysSettings, _load, weights=weights_of, published=tuple(PUBLISHED.values()))]
