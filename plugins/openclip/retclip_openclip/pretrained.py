"""Where OpenCLIP's checkpoints come from, and a model with one in it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
import timm
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from timm.models import register_model
from timm.models.convnext import ConvNeXt

from retclip.errors import ConfigError
from retclip.plugin.checkpoints import read_state, without_prefix
from retclip.plugin.local_files import local_file
from retclip.plugin.model_files import model_file
from retclip.plugin.new_models import NoRandomNumbers
from retclip.plugin.weights import WeightFile, Weights, hub
from retclip.plugin.whole_weights import fill
from retclip_openclip import CHECKPOINT, OPENAI_FILES, RANDOM, is_file, weights_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from retclip_openclip import OpenClipSettings

FCCLIP = "backbone.clip_model."  # where an FC-CLIP checkpoint holds the CLIP model
OPENAI = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # its archives keep sizes among the tensors
KWARGS = "timm_model_kwargs"  # our one key beside OpenCLIP's: the shape of a ConvNeXt that timm has no name for
ABSENT = 0  # megabytes: OpenCLIP's list does not say


def listed_weights(model: str, tag: str) -> Weights:
    """What OpenCLIP's own list says of a tag. Raises ConfigError for one it does not know."""
    config = get_pretrained_cfg(model, tag)
    if not config:
        tags = ", ".join(list_pretrained_tags_by_model(model))
        todo = f"its tags: {tags}" if tags else "see open_clip.list_pretrained()"
        raise ConfigError(f"a tag of OpenCLIP's {model}", repr(tag), todo)
    name, summary = f"openclip_{model}_{tag}".replace("/", "_"), f"OpenCLIP {model}, {tag}"
    url = str(config.get("url", ""))
    repository = "/".join(str(config.get("hf_hub", "")).split("/")[:2])  # owner and name; a file may follow
    if repository and OPENAI_FILES not in url:
        page = f"https://huggingface.co/{repository}"
        return Weights(name, summary, "see the page", page, ABSENT, hub(repository, CHECKPOINT))
    *_, parent, file = url.split("/")
    digest = parent if url.startswith(OPENAI_FILES) else ""
    return Weights(name, summary, "see the page", url, ABSENT, (WeightFile(file, url, digest),))


def model_with_weights(settings: OpenClipSettings) -> nn.Module:
    """The CLIP model, float32, frozen, on the CPU. Raises WeightsMissing, WeightsDamaged, ConfigError."""
    state = _state(settings)
    if state is None:
        model = _new_model(settings)
    else:
        with NoRandomNumbers():
            model = _new_model(settings)
        state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        fill(model, state, f"{settings.pretrained} as {settings.model}", beside=OPENAI, assign=True)
    return model.float().eval().requires_grad_(False)


def normalisation(settings: OpenClipSettings) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3,) of 8-bit values: what OpenCLIP states of the tag, else OpenAI's."""
    config = {} if is_file(settings.pretrained) else get_pretrained_cfg(settings.model, settings.pretrained) or {}
    mean = config.get("mean") or open_clip.OPENAI_DATASET_MEAN
    std = config.get("std") or open_clip.OPENAI_DATASET_STD
    return torch.tensor(mean) * 255, torch.tensor(std) * 255


def _state(settings: OpenClipSettings) -> dict[str, Tensor] | None:
    if settings.pretrained == RANDOM:
        return None
    published = weights_of(settings)  # none for a file of the user's
    listed = {settings.pretrained: published[0]} if published else {}
    path = model_file(settings.pretrained, listed, "pretrained")
    return without_prefix(read_state(path), FCCLIP)


def _new_model(settings: OpenClipSettings) -> nn.Module:
    if not settings.config and open_clip.get_model_config(settings.model) is None:
        todo = "see open_clip.list_models(), or give its architecture in `config`"
        raise ConfigError("an architecture that OpenCLIP lists", repr(settings.model), todo)
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)  # random weights must be the same tomorrow: their space has a digest
        if settings.config:
            model: nn.Module = open_clip.model.CLIP(**_read_config(local_file(settings.config)))
        else:
            model = open_clip.create_model(settings.model, pretrained=None)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCLIP warns of random weights, which are about to be replaced or were asked for."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        vision = dict(config["vision_cfg"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        todo = "give embed_dim, vision_cfg and text_cfg as OpenCLIP's model_configs do"
        raise ConfigError(f"an OpenCLIP model in {path}", f"{type(error).__name__}: {error}", todo) from error
    config["vision_cfg"], shape = vision, vision.pop(KWARGS, None)
    if shape is not None:
        vision["timm_model_name"] = _registered(shape)
    return config


def _registered(shape: dict[str, Any]) -> str:
    """The name of a ConvNeXt of that shape, under which OpenCLIP can ask timm for it: one name, one shape."""
    name = f"convnext_retclip_{hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:12]}"

    def entry(pretrained: bool = False, **options: Any) -> Any:  # noqa: ARG001  (timm's own signature)
        arguments = {key: value for key, value in options.items() if key in ("drop_path_rate", "num_classes")}
        model: Any = ConvNeXt(**{"num_classes": 0, **shape, **arguments})
        model.default_cfg = {}
        return model

    if not timm.is_model(name):
        entry.__name__ = name
        register_model(entry)
    return name
