"""The house without weights: ground-truth masks, superpixels, an exact colour-and-texture backbone, drawn scenes.

Everything here is exact and deterministic: the tests, the demo and the floor of every benchmark use it. Listing
components imports this module, so it must not import torch or scikit-image; read next: `colour_texture.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retclip.plugin import ANNOTATION, AREAS, PATCHES, REGIONS, WHOLE, Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone, ImageSource, MaskProposer
    from retclip.types import Device


class GroundTruthSettings(Settings):
    """Which annotated segments become masks."""

    min_area: int = Field(1, ge=1, description="smaller segments are left out, in pixels")
    side: int = Field(2048, ge=16, description="longer side of the mask grid, in cells, at most")


class SuperpixelSettings(Settings):
    """How finely an image is cut."""

    count: int = Field(300, ge=1, description="about how many superpixels an image gets")
    compactness: float = Field(10.0, gt=0, description="larger: squarer patches; smaller: they follow the colours")
    sigma: float = Field(1.0, ge=0, description="Gaussian smoothing before the cut, in pixels")
    side: int = Field(640, ge=16, description="longer side of the image that is cut, in pixels, at most")


class PromptedSuperpixelSettings(SuperpixelSettings):
    """The same, and which superpixels a box takes."""

    inside: float = Field(0.5, gt=0, le=1, description="share of a superpixel that must lie in a box")


class WholeImageSettings(Settings):
    """Nothing to set."""


class ColourTextureSettings(Settings):
    """Size of the feature grid, and how much each group of histograms counts (weights relative to each other).

    The weights were chosen on CamVid's training images alone (benchmarks/README.md)."""

    grid: int = Field(160, ge=1, description="cells along the longer side, at most")
    stride: int = Field(3, ge=1, description="working pixels along a cell's side")
    colour: float = Field(1.0, gt=0, description="weight of the L*a*b* colours")
    fine_edges: float = Field(1.0, ge=0, description="weight of edges at a scale of 1 working pixel")
    coarse_edges: float = Field(0.3, ge=0, description="weight of edges at a scale of 2.5 working pixels")
    contrast: float = Field(0.3, ge=0, description="weight of local contrast")
    colour_around: float = Field(1.0, ge=0, description="weight of the colours of the surroundings")
    edges_around: float = Field(1.0, ge=0, description="weight of the coarse edges of the surroundings")
    around: float = Field(10.0, gt=0, description="standard deviation of the surroundings' Gaussian, in cells")
    height: float = Field(0.3, ge=0, description="weight of how high in the image a segment lies")


class ScenesSettings(Settings):
    """How many scenes are drawn, and where their PNG files go."""

    path: Path = Field(description="folder for the PNG files; made where it is missing")
    split: Literal["train", "val"] = Field("train", description="the two never share a scene")
    count: int = Field(36, ge=1, description="number of scenes")
    seed: int = Field(0, ge=0, description="the same seed draws the same scenes")
    width: int = Field(256, ge=64, description="image width in pixels")
    height: int = Field(192, ge=64, description="image height in pixels")


def _load_ground_truth(settings: GroundTruthSettings, device: Device) -> MaskProposer:
    from retclip_reference.ground_truth import GroundTruth

    return GroundTruth(settings, device)


def _load_superpixels(settings: SuperpixelSettings, device: Device) -> MaskProposer:
    from retclip_reference.superpixels import Superpixels

    return Superpixels(settings, device)


def _load_prompted(settings: PromptedSuperpixelSettings, device: Device) -> MaskProposer:
    from retclip_reference.prompted_superpixels import PromptedSuperpixels

    return PromptedSuperpixels(settings, device)


def _load_whole_image(settings: WholeImageSettings, device: Device) -> MaskProposer:  # noqa: ARG001
    from retclip_reference.whole_image import WholeImage

    return WholeImage(device)


def _load_colour_texture(settings: ColourTextureSettings, device: Device) -> Backbone:
    from retclip_reference.colour_texture import ColourTexture

    return ColourTexture(settings, device)


def _load_scenes(settings: ScenesSettings, device: Device) -> ImageSource:  # noqa: ARG001  drawing needs no device
    from retclip_reference.scenes import Scenes

    return Scenes(settings)


@impl
def retclip_backbones() -> Iterable[Component[Backbone]]:
    """Announce `reference.colour_texture`."""
    summary = "soft histograms of colour, texture and surroundings; exact, no weights, no text tower"
    areas = frozenset({AREAS})
    return [Component("colour_texture", summary, ColourTextureSettings, _load_colour_texture, provides=areas)]


@impl
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:
    """Announce `reference.ground_truth`, `.superpixels`, `.prompted_superpixels` and `.whole_image`."""
    return [
        Component(
            "ground_truth",
            "the annotated segments: the upper bound",
            GroundTruthSettings,
            _load_ground_truth,
            provides=frozenset({ANNOTATION}),
        ),
        Component(
            "superpixels",
            "patches of one colour: the lower bound",
            SuperpixelSettings,
            _load_superpixels,
            provides=frozenset({PATCHES}),
        ),
        Component(
            "prompted_superpixels",
            "the superpixels under the boxes and points that mark an object",
            PromptedSuperpixelSettings,
            _load_prompted,
            provides=frozenset({REGIONS}),
        ),
        Component(
            "whole_image",
            "each photo as one segment of the class asked for",
            WholeImageSettings,
            _load_whole_image,
            provides=frozenset({WHOLE}),
        ),
    ]


@impl
def retclip_image_sources() -> Iterable[Component[ImageSource]]:
    """Announce `reference.scenes`."""
    return [Component("scenes", "labelled scenes that the plugin draws itself", ScenesSettings, _load_scenes)]
