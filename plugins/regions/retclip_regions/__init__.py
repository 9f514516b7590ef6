"""Regions of a photo as masks: `regions.tree`, superpixels merged step by step, every region of every step a mask.

Listing components imports this module, so it must not import torch or scikit-image; read next: `tree.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retclip.plugin import PATCHES, Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import MaskProposer
    from retclip.types import Device


class TreeSettings(Settings):
    """How finely a photo is cut, and by what its pieces are merged.

    Chosen on the training photos of benchmarks/real_photos.py alone (benchmarks/README.md)."""

    superpixels: Literal["slic", "graph"] = Field(
        "slic", description="slic: compact ones of about one size; graph: those that edges part, thin ones too"
    )
    count: int = Field(
        600, ge=1, description="about how many leaves the tree has (graph: at most); at most twice as many masks"
    )
    compactness: float = Field(
        10.0, gt=0, description="slic: larger: squarer superpixels; smaller: they follow the colours"
    )
    scale: float = Field(50.0, gt=0, description="graph: larger: larger superpixels")
    speck: float = Field(
        0.00017, ge=0, lt=1, description="graph: smaller superpixels go to a neighbour, in shares of the photo"
    )
    side: int = Field(400, ge=16, description="longer side of the photo that is cut, in pixels, at most")
    features: float = Field(
        8.0, ge=0, description="weight of the backbone's features beside the colours; 0: colours alone"
    )
    smallest: float = Field(
        0.0005, ge=0, lt=1, description="smaller regions are no masks of their own, in shares of the photo"
    )


def _load_tree(settings: TreeSettings, device: Device) -> MaskProposer:
    from retclip_regions.tree import RegionTree

    return RegionTree(settings, device)


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `regions.tree`."""
    summary = "superpixels merged step by step by colour and the backbone's features: a tree of masks"
    return [Component("tree", summary, TreeSettings, _load_tree, provides=frozenset({PATCHES}))]
