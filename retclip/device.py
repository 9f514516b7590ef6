"""The only place that chooses device and precision; everyone else receives a `Device` record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from retclip.config_sections import DeviceSection
from retclip.errors import ConfigError
from retclip.types import Device

if TYPE_CHECKING:
    import torch

ROLES = ("backbone", "proposer", "classifier")


def choose(section: DeviceSection, role: str = "") -> Device:
    """The device for a role: its own setting, else `device.name`; `auto` takes CUDA where there is one, and bfloat16
    there where it is supported. `device.threads` holds from now on. Raises ConfigError for a device that is not
    here."""
    import torch

    if section.threads:
        torch.set_num_threads(section.threads)

    name = (getattr(section, role) if role in ROLES else "") or section.name
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch says AssertionError where it was built without CUDA
        key = f"device.{role}" if role in ROLES and getattr(section, role) else "device.name"
        raise ConfigError("a device of this machine", f"{name!r}: {error}", f"set {key} = 'cpu'") from error
    dtype = section.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return Device(str(device), dtype, section.batch_size)


def all_like(section: DeviceSection) -> list[str]:
    """The devices over which work may be spread: every GPU where the setting leaves it open, else the one it names."""
    import torch

    gpus = torch.cuda.device_count() if section.name in ("auto", "cuda") else 0
    return [f"cuda:{n}" for n in range(gpus)] or [section.name]


@contextmanager
def inference(device: Device) -> Iterator[None]:
    """Around every call of a plugin's model: no gradients, and autocast where the precision is not float32."""
    import torch

    with torch.inference_mode(), autocast(device):
        yield


def autocast(device: Device) -> torch.autocast:
    """Mixed precision where the device's is not float32; training wants this alone, with gradients."""
    import torch

    kind = torch.device(device.torch_device).type
    return torch.autocast(kind, getattr(torch, device.dtype), enabled=device.dtype != "float32")
