"""The trained small world: scenes that this plugin draws, and a small CLIP and mask proposer trained on them.

The models are ordinary files for the plugins `openclip` and `mask2former`, in `models/`; the preset `miniature` names
them. Listing components imports this module, so it must not import torch or Pillow; read next: `scenes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from retclip.plugin import Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import ImageSource
    from retclip.types import Device


class ScenesSettings(Settings):
    """Which scenes are drawn, and where their PNG files go."""

    path: Path = Field(description="folder for the PNG files; made where it is missing")
    split: Literal["train", "store", "val", "test", "demo"] = Field(
        "store", description="no two share a scene: train for fine-tuning, store to be stored, test to be judged once"
    )
    style: Literal["photo", "drawing"] = Field("photo", description="drawing: another artist, flat colours, outlines")
    classes: Literal["all", "seen", "unseen"] = Field("all", description="seen: those that the fine-tuning may see")
    things: tuple[str, ...] = Field((), description="only these classes of things; empty: all that `classes` allows")
    labels: Literal["masks", "names"] = Field("masks", description="names: only which classes a scene shows")
    count: int = Field(200, ge=1, description="number of scenes")
    seed: int = Field(0, ge=0, description="the same seed draws the same scenes")
    width: int = Field(256, ge=64, description="image width in pixels")
    height: int = Field(256, ge=64, description="image height in pixels")

    @field_validator("things", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def _load_scenes(settings: ScenesSettings, device: Device) -> ImageSource:  # noqa: ARG001  drawing needs no device
    from retclip_miniature.scenes import Scenes

    return Scenes(settings)


@impl
def retclip_image_sources() -> Iterable[Component[ImageSource]]:
    """Announce `miniature.scenes`."""
    summary = "panoptic scenes of 219 classes that the plugin draws itself, in two styles"
    return [Component("scenes", summary, ScenesSettings, _load_scenes)]
