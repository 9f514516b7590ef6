"""The training-free path's masks: Grounding DINO finds boxes of the classes, SAM turns boxes into masks (paper, 2.1).

Listing components imports this module, so it must not import torch or transformers; read next: `boxes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import REGIONS, Component, Settings, impl
from retclip.plugin.weights import WeightFile, Weights, chosen, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import MaskProposer
    from retclip.types import Device

SAM_PAGE = "https://github.com/facebookresearch/segment-anything#model-checkpoints"
SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
BESIDE = ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")


def _sam(name: str, length: int, file: str, sha256: str) -> Weights:
    files = (WeightFile(file, f"{SAM_FILES}/{file}", sha256, length, projects=5),)
    return Weights(name, f"Segment Anything, {name[4:]}", "Apache-2.0", SAM_PAGE, round(length / 1e6), files)


def _dino(size: str, revision: str, length: int, sha256: str, projects: int) -> Weights:
    repository = f"IDEA-Research/grounding-dino-{size}"
    tensors = WeightFile("model.safetensors", sha256=sha256, size=length, projects=projects)
    files = hub(repository, "config.json", tensors, *BESIDE, revision=revision)
    page, summary = f"https://huggingface.co/{repository}", f"Grounding DINO, {size}"
    return Weights(f"grounding_dino_{size}", summary, "Apache-2.0", page, round(length / 1e6), files)


PUBLISHED = {
    weights.name: weights
    for weights in (
        _sam(
            "sam_vit_b", 375_042_383, "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        _sam(
            "sam_vit_l", 1_249_524_607, "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        _sam(
            "sam_vit_h", 2_564_550_879, "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        _dino(
            "base", "12bdfa3120f3e7ec7b434d90674b3396eccf88eb", 933_400_872,
            "5548f844c928c4b6f411fa8cbcc2bfa8dbbba437cb1d513975519f93c2a9ed21", 3,
        ),
        _dino(
            "tiny", "a2bb814dd30d776dcf7e30523b00659f4f141c71", 689_359_096,
            "1a2412ef99bd74bcd3c2a246fa1e48581f8889a1300c9051974741314fc042f3", 2,
        ),
    )
}  # fmt: skip


class SamSettings(Settings):
    """Which SAM."""

    sam: str = Field("sam_vit_b", description="sam_vit_b (the paper's), sam_vit_l, sam_vit_h, or a .safetensors file")


class BoxesSettings(SamSettings):
    """Which detector, and which of its boxes become masks (method.md 6.3)."""

    detector: str = Field(
        "grounding_dino_base", description="grounding_dino_base, grounding_dino_tiny, or a folder in transformers' form"
    )
    box_threshold: float = Field(
        0.25, ge=0, le=1, description="boxes below this score are dropped; 0.35 for building a store"
    )
    tokens: int = Field(128, ge=8, le=256, description="tokens of one prompt, at most; longer ones lose recall")
    nms_within: float = Field(0.8, gt=0, le=1, description="of two boxes of one prompt that overlap more, one stays")
    nms_across: float = Field(0.7, gt=0, le=1, description="the same between boxes of different prompts")
    boxes_at_once: int = Field(64, ge=1, description="boxes that SAM decodes together")


class PromptedSettings(SamSettings):
    """SAM, and how many marked objects it decodes together."""

    regions_at_once: int = Field(64, ge=1, description="marked objects that SAM decodes together")


class GridSettings(SamSettings):
    """SAM's automatic masks, with its published parameters (method.md 6.4)."""

    points_per_side: int = Field(32, ge=1, description="points along each side of the photo")
    points_per_batch: int = Field(16, ge=1, description="points decoded together; halved where memory runs out")
    pred_iou_thresh: float = Field(0.88, ge=0, le=1, description="masks below this predicted IoU are dropped")
    stability_score_thresh: float = Field(0.95, ge=0, le=1, description="masks less stable than this are dropped")
    stability_score_offset: float = Field(1.0, ge=0, description="how far the threshold is moved for that")
    box_nms_thresh: float = Field(0.7, gt=0, le=1, description="of two masks whose boxes overlap more, one stays")
    crop_n_layers: int = Field(0, ge=0, le=4, description="layers of crops that are looked at besides the whole")
    crop_nms_thresh: float = Field(0.7, gt=0, le=1, description="the same as box_nms_thresh, between crops")
    crop_overlap_ratio: float = Field(512 / 1500, ge=0, lt=1, description="how much crops overlap")
    min_mask_region_area: int = Field(0, ge=0, description="smaller holes and islands are removed; needs opencv")
    side: int = Field(512, ge=16, description="longer side of the masks' grid, in cells, at most")


def boxes_weights(settings: BoxesSettings) -> Sequence[Weights]:
    """Detector and SAM, as far as they are published ones."""
    return chosen(PUBLISHED, settings.detector, settings.sam)


def sam_weights(settings: SamSettings) -> Sequence[Weights]:
    """SAM, if it is a published one."""
    return chosen(PUBLISHED, settings.sam)


def _load_boxes(settings: BoxesSettings, device: Device) -> MaskProposer:
    from retclip_grounded_sam.boxes import Boxes

    return Boxes.load(settings, device)


def _load_grid(settings: GridSettings, device: Device) -> MaskProposer:
    from retclip_grounded_sam.grid import Grid

    return Grid.load(settings, device)


def _load_prompted(settings: PromptedSettings, device: Device) -> MaskProposer:
    from retclip_grounded_sam.prompted import Prompted

    return Prompted.load(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `grounded_sam.boxes`, `grounded_sam.grid` and `grounded_sam.prompted`."""
    boxes = "Grounding DINO's boxes of the classes asked for, turned into masks by SAM"
    grid = "SAM's masks of a grid of points, of no class"
    prompted = "SAM's masks of objects marked with boxes and points"
    return [
        Component(
            "boxes", boxes, BoxesSettings, _load_boxes, weights=boxes_weights, published=tuple(PUBLISHED.values())
        ),
        Component("prompted", prompted, PromptedSettings, _load_prompted, frozenset({REGIONS}), weights=sam_weights),
        Component("grid", grid, GridSettings, _load_grid, weights=sam_weights),
    ]
