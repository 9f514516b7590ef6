"""A folder of numbers that the original FC-CLIP computed: settings, tensors, comparisons."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from retclip.errors import DataError, WeightsDamaged
from retclip.plugin.checkpoints import read_state
from retclip.types import DenseFeatures, FeatureSpace
from retclip_mask2former.head import LEVELS


@dataclass(frozen=True)
class Row:
    """One comparison. ok: whether `difference` is within `allowed`."""

    name: str
    difference: float
    allowed: float
    detail: str = ""

    @property
    def ok(self) -> bool:
        """False for NaN, too."""
        return self.difference <= self.allowed


class Reference:
    """A folder of reference numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            self.panoptic: dict[str, Any] = json.loads((folder / "panoptic.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            todo = "give a folder with config.json, panoptic.json and the safetensors files of a reference run"
            raise DataError(f"reference numbers in {folder}", str(error), todo) from error
        self._files: dict[str, Numbers] = {}

    def load(self, name: str) -> Numbers:
        """The tensors of one file. Raises DataError."""
        if name not in self._files:
            path = self.folder / f"{name}.safetensors"
            try:
                self._files[name] = Numbers(read_state(path))
            except WeightsDamaged as error:
                raise DataError(f"reference numbers in {path}", error.got, "copy the folder again") from error
        return self._files[name]

    def terms(self, which: str) -> list[list[str]]:
        """The names of each class, in order."""
        return [[name.strip() for name in entry["names"].split(",")] for entry in self.config[f"{which}_vocabulary"]]

    @cached_property
    def backbone_settings(self) -> dict[str, Any]:
        """For `openclip.model`: that architecture, those weights, FC-CLIP's pooling, the sides of the network input."""
        architecture = copy.deepcopy(self.config["open_clip_model_config"])
        if self.config.get("convnext_trunk"):
            trunk = self.config["convnext_trunk"]
            shape = {key: trunk[key] for key in ("depths", "dims", "patch_size", "conv_mlp") if key in trunk}
            shape["kernel_sizes"] = trunk.get("kernel_size", 7)
            architecture["vision_cfg"]["timm_model_kwargs"] = shape
        short, long = sorted(self.config["net_hw"])
        return {
            "model": self.config["clip_model_name"], "config": architecture, "pooling": "fcclip",
            "pretrained": str(self.folder / "state.safetensors"), "short_side": short, "long_side": long,
        }  # fmt: skip


class Numbers(dict[str, Tensor]):
    """The tensors of one file by name; one that is not there is told in three parts."""

    def __missing__(self, name: str) -> Tensor:
        raise DataError(f"the tensor {name!r} among the reference numbers", f"{len(self)} others", "add it")


def close(name: str, values: Tensor, recorded: Tensor, allowed: float) -> Row:
    """The largest absolute difference; NaN where the sizes differ."""
    if values.numel() != recorded.numel():
        return Row(name, float("nan"), allowed, f"shape {tuple(values.shape)}, not {tuple(recorded.shape)}")
    return Row(name, float((values.double().flatten() - recorded.double().flatten()).abs().max()), allowed)


def recorded_features(reference: Reference) -> DenseFeatures:
    """The original's feature maps of the image. Raises DataError."""
    numbers, config = reference.load("backbone"), reference.config
    levels = {name: numbers[f"backbone.{name}"][0] for name in LEVELS}
    extent = tuple(inner / padded for inner, padded in zip(config["net_hw"], config["padded_hw"], strict=True))
    space = FeatureSpace("reference", "none", "none", "none", levels["res5"].shape[0])
    return DenseFeatures(levels["res5"], space, tuple(config["image_hw"]), 32.0, levels, (extent[0], extent[1]))
