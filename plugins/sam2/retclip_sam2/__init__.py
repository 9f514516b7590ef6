"""SAM 2.1's masks of a grid of points, through transformers (method.md 6.4, 6.5).

Listing components imports this module, so it must not import torch or transformers; read next: `grid.py`.
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


def _sam2(size: str, revision: str, length: int, sha256: str, projects: int) -> Weights:
    repository = f"facebook/sam2.1-hiera-{size}"
    tensors = WeightFile("model.safetensors", sha256=sha256, size=length, projects=projects)
    files = hub(repository, "config.json", tensors, "preprocessor_config.json", revision=revision)
    page, name = f"https://huggingface.co/{repository}", f"sam2_{size.replace('-', '_')}"
    return Weights(name, f"SAM 2.1, Hiera {size}", "Apache-2.0", page, round(length / 1e6), files)


PUBLISHED = {
    weights.name: weights
    for weights in (
        _sam2(
            "tiny", "de431c4043854a71d8101e17995dfe596bf101a5", 155_908_064,
            "48c14467e5cf9e51870511feb72c89688e82dd74523142c0538b663e193ac2a7", 5,
        ),
        _sam2(
            "small", "ee5bba1d82bb8749febdf90f45e84b687142ba03", 184_305_280,
            "0a4067b11ce1e23d5229203f11c718a823060d15a4b23fa2372a7d4b77cbbc60", 4,
        ),
        _sam2(
            "base-plus", "b7320756a13354e7530a63935656d35b2f91a290", 323_476_296,
            "2012733a0de5d03efd1bba550a2847c4551be9ef2e0d497c83074df66189f780", 3,
        ),
        _sam2(
            "large", "665f8e2ad61cf5f53d65644ff27c8ee525124610", 897_897_416,
            "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230", 6,
        ),
    )
}  # fmt: skip


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
    published = tuple(PUBLISHED.values())
    summary = "SAM 2.1's masks of a grid of points, of no class"
    return [Component("grid", summary, GridSettings, _load, weights=weights_of, published=published)]
