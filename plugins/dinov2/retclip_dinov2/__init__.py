"""DINOv2 as a backbone for the retrieval embeddings of the store: kNN-CLIP's second encoder (method.md 7.1).

Listing components imports this module, so it must not import torch or transformers; read next: `keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone
    from retclip.types import Device


def _dinov2(size: str, revision: str, length: int, sha256: str, projects: int) -> Weights:
    repository = f"facebook/dinov2-{size}"
    tensors = WeightFile("model.safetensors", sha256=sha256, size=length, projects=projects)
    files = hub(repository, "config.json", tensors, "preprocessor_config.json", revision=revision)
    page = f"https://huggingface.co/{repository}"
    return Weights(f"dinov2_{size}", f"DINOv2, {size}", "Apache-2.0", page, round(length / 1e6), files)


PUBLISHED = {
    weights.name: weights
    for weights in (
        _dinov2(
            "small", "ed25f3a31f01632728cabb09d1542f84ab7b0056", 88_249_960,
            "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1", 5,
        ),
        _dinov2(
            "base", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", 346_345_912,
            "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841", 5,
        ),
        _dinov2(
            "large", "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c", 1_217_522_888,
            "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23", 2,
        ),
        _dinov2(
            "giant", "611a9d42f2335e0f921f1e313ad3c1b7178d206d", 4_546_005_432,
            "917d3c470db999d32a312f8542149be91c7cbac61ee8fb4b67ae3d82b79ce21f", 5,
        ),
    )
}  # fmt: skip


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
