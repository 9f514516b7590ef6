"""SAM 2.1's masks of a grid of points, through transformers (method.md 6.4, 6.5).

Listing components imports this module, so it must not import torch or transformers; read next: `grid.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import Component, Settings, impl
from retclip.plugin.weights import Weights, chosen, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import MaskProposer
    from retclip.types import Device

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def _sam2(size: str, megabytes: int) -> Weights:
    repository = f"facebook/sam2.1-hiera-{size}"
    page, name = f"https://huggingface.co/{repository}", f"sam2_{size.replace('-', '_')}"
    return Weights(name, f"SAM 2.1, Hiera {size}", "Apache-2.0", page, megabytes, hub(repository, *FILES))


PUBLISHED = {one.name: one for one in map(_sam2, ("tiny", "small", "base-plus", "large"), (156, 184, 324, 898))}


class GridSettings(Settings):
    """Which SAM 2.1; the first SAM's published parameters of automatic masks (method.md 6.4)."""

    model: str = Field("sam2_tiny", description="sam2_tiny, sam2_small, sam2_base_plus, sam2_large, or a folder")
    points_per_side: int = Field(32, ge=1, description="points along each side of the photo")
    points_per_batch: int = Field(64, ge=1, description="points decoded together")
    pred_iou_thresh: float = Field(0.88, ge=0, le=1, description="masks below this predicted IoU are dropped")
    stability_score_thresh: float = Field(0.95, ge=0, le=1, description="masks less stable than this are dropped")
    stability_score_offset: float = Field(1.0, ge=0, description="how far the threshold is moved for that")
    box_nms_thresh: float = Field(0.7, gt=0, le=1, description="of two masks whose boxes overlap more, one stays")


def weights_of(settings: GridSettings) -> Sequence[Weights]:
    """The published model that these settings name; none for a folder of the user's."""
    return chosen(PUBLISHED, settings.model)


def _load(settings: GridSettings, device: Device) -> MaskProposer:
    from retclip_sam2.grid import Grid

    return Grid(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `sam2.grid`."""
    known = tuple(PUBLISHED.values())
    summary = "SAM 2.1's masks of a grid of points, of no class"
    return [Component("grid", summary, GridSettings, _load, weights=weights_of, published=known)]
