"""A network of timm with its weights, cut to the stages that a backbone reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from retclip.errors import ConfigError, WeightsMissing
from retclip.plugin.checkpoints import read_pickled, read_state, state_digest
from retclip.plugin.local_files import local_file
from retclip.plugin.weights import is_pickled
from retclip.plugin.whole_weights import fill

RANDOM = "random"  # weights for tests: the same at every load
SEED = 0
Rename = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Stages:
    """A network and the stages of it that are read.

    model: frozen, in evaluation mode, on the CPU.
    architecture: its name in timm.
    indices: of the stages among those that the network can return.
    strides: pixels per cell of each stage, ascending.
    channels: of each stage.
    mean, std: per colour, of values in [0, 1], as the network was trained.
    digest: of its weights as they were loaded.
    """

    model: Any
    architecture: str
    indices: tuple[int, ...]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str

    def __call__(self, values: Tensor) -> list[Tensor]:
        """Return the stages (b, d_i, h_i, w_i) float32 of inputs (b, 3, H, W), H and W multiples of the last stride."""
        maps = self.model.forward_intermediates(
            values, indices=list(self.indices), norm=True, stop_early=True, intermediates_only=True
        )
        return [stage.float() for stage in maps]

    def without_last(self) -> Stages:
        """Return the stages before the last; what only that one needs is not computed."""
        return replace(self, indices=self.indices[:-1], strides=self.strides[:-1], channels=self.channels[:-1])


@dataclass(frozen=True, eq=False)
class Head:
    """What comes after the last stage: a network's own labels.

    labels: the name of their list.
    last: from the last stage (b, d, h, w) to the last map (b, e, h, w), whose mean is classified.
    classifier: from (n, e) to logits (n, l).
    """

    labels: str
    last: nn.Module
    classifier: nn.Module


def network(architecture: str, weights: str, strides: Sequence[int], rename: Rename = dict) -> Stages:
    """Return a network of timm with the weights of a file.

    architecture: a name of `timm.list_models()`.
    weights: a .safetensors or .pth file, `package:NAME/PATH`, or "random".
    strides: pixels per cell of the wanted stages; a transformer has one stride, and its last block is taken.
    rename: from the names of the file's tensors to timm's.
    Raises ConfigError for an unknown network or a stride that it lacks, WeightsMissing, WeightsDamaged.
    """
    torch.manual_seed(SEED)  # for random weights; files replace every tensor
    model = _created(architecture)
    if weights != RANDOM:
        path = _file(weights)
        state = read_pickled(path) if is_pickled(path.name) else read_state(path)
        fill(model, rename(state), str(path))
    return _cut(model.eval().requires_grad_(False), architecture, strides)


def _created(architecture: str) -> nn.Module:
    if not timm.is_model(architecture):
        near = ", ".join(get_close_matches(architecture, timm.list_models(), 3))
        todo = f"did you mean {near}?" if near else "see timm.list_models()"
        raise ConfigError("a network of timm", repr(architecture), todo)
    create: Any = timm.create_model
    try:
        model: nn.Module = create(architecture, pretrained=False, dynamic_img_size=True)  # transformers want to be told
    except TypeError:  # a convolutional network takes any size as it is
        model = create(architecture, pretrained=False)
    return model


def _file(address: str) -> Path:
    path = local_file(address)
    if not path.is_file():
        todo = "correct `weights`: a .safetensors or .pth file, package:NAME/PATH, or random"
        raise WeightsMissing(f"a file of weights {path}", "none there", todo)
    return path


def _cut(model: Any, architecture: str, strides: Sequence[int]) -> Stages:
    if not hasattr(model, "forward_intermediates"):
        raise ConfigError("a network that returns its stages", f"{architecture}, which does not", "choose another")
    last = {int(info["reduction"]): index for index, info in enumerate(model.feature_info)}  # of a stride, the deepest
    wanted = tuple(sorted({*strides})) if len(last) > 1 else tuple(last)
    if lacking := [stride for stride in wanted if stride not in last]:
        todo = f"set strides among {', '.join(map(str, last))}"
        raise ConfigError(f"stages of {architecture}", f"none of stride {', '.join(map(str, lacking))}", todo)
    indices = tuple(last[stride] for stride in wanted)
    channels = tuple(int(model.feature_info[index]["num_chs"]) for index in indices)
    trained = model.default_cfg
    mean, std, digest = tuple(trained["mean"]), tuple(trained["std"]), state_digest(model.state_dict())
    return Stages(model, architecture, indices, wanted, channels, mean, std, digest)
