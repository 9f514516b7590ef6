"""Frozen weights at rest in the precision of autocast, so that they are not rounded again at every call."""

from __future__ import annotations

import torch
from torch import nn

from retclip.types import Device


def rest_rounded(module: nn.Module, device: Device) -> None:
    """Round the weights of frozen linear layers and convolutions once, in place, to the device's precision.

    Autocast rounds weights that are not trained anew at every call; what it computes stays the same to the bit. Such a
    module computes under autocast alone. Nothing happens where the precision is float32.
    """
    if device.dtype == "float32":
        return
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.to(getattr(torch, device.dtype))
