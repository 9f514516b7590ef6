"""FC-CLIP's checkpoints under this plugin's names, and back to a head; every key is accounted for (method.md 3.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from retclip.errors import ConfigError, WeightsDamaged
from retclip.plugin.checkpoints import read_metadata, read_state, write_safetensors
from retclip.plugin.model_files import model_file
from retclip.plugin.training import RANDOM
from retclip.plugin.whole_weights import NOT_FINITE, fill, incomplete, not_finite, require_whole
from retclip_mask2former import PUBLISHED, HeadSettings
from retclip_mask2former.head import POINTS, HeadShape, MaskHead

ELSEWHERE = ("backbone.", "criterion.")  # the frozen CLIP is the backbone plugin's; a loss weight is no weight
CHECKPOINTS = "name a checkpoint of FC-CLIP or one that this plugin saved"
DECODER = "transformer.decoder.layers"
RULES = tuple(
    (re.compile(rf"sem_seg_head\.{pattern}"), target)
    for pattern, target in (
        (r"pixel_decoder\.input_proj\.(.+)", r"pixel_decoder.input_projections.\1"),
        (r"pixel_decoder\.transformer\.level_embed", r"pixel_decoder.level_embed"),
        (r"pixel_decoder\.transformer\.(encoder\.layers\.\d+\.self_attn\..+)", r"pixel_decoder.\1"),
        (
            r"pixel_decoder\.transformer\.(encoder\.layers\.\d+)\.norm1\.(.+)",
            r"pixel_decoder.\1.self_attn_layer_norm.\2",
        ),
        (r"pixel_decoder\.transformer\.(encoder\.layers\.\d+)\.linear1\.(.+)", r"pixel_decoder.\1.fc1.\2"),
        (r"pixel_decoder\.transformer\.(encoder\.layers\.\d+)\.linear2\.(.+)", r"pixel_decoder.\1.fc2.\2"),
        (r"pixel_decoder\.transformer\.(encoder\.layers\.\d+)\.norm2\.(.+)", r"pixel_decoder.\1.final_layer_norm.\2"),
        (r"pixel_decoder\.((?:adapter|layer)_\d+)\.norm\.(.+)", r"pixel_decoder.\1.1.\2"),
        (r"pixel_decoder\.((?:adapter|layer)_\d+)\.weight", r"pixel_decoder.\1.0.weight"),
        (r"pixel_decoder\.mask_features\.(.+)", r"pixel_decoder.mask_projection.\1"),
        (r"predictor\.input_proj\.(.+)", r"transformer.input_projections.\1"),
        (r"predictor\.transformer_cross_attention_layers\.(\d+)\.multihead_attn\.(.+)", rf"{DECODER}.\1.cross_attn.\2"),
        (
            r"predictor\.transformer_cross_attention_layers\.(\d+)\.norm\.(.+)",
            rf"{DECODER}.\1.cross_attn_layer_norm.\2",
        ),
        (r"predictor\.transformer_self_attention_layers\.(\d+)\.self_attn\.(.+)", rf"{DECODER}.\1.self_attn.\2"),
        (r"predictor\.transformer_self_attention_layers\.(\d+)\.norm\.(.+)", rf"{DECODER}.\1.self_attn_layer_norm.\2"),
        (r"predictor\.transformer_ffn_layers\.(\d+)\.linear1\.(.+)", rf"{DECODER}.\1.fc1.\2"),
        (r"predictor\.transformer_ffn_layers\.(\d+)\.linear2\.(.+)", rf"{DECODER}.\1.fc2.\2"),
        (r"predictor\.transformer_ffn_layers\.(\d+)\.norm\.(.+)", rf"{DECODER}.\1.final_layer_norm.\2"),
        (r"predictor\.decoder_norm\.(.+)", r"transformer.decoder.layernorm.\1"),
        (r"predictor\.query_feat\.weight", r"transformer.queries_features.weight"),
        (r"predictor\.query_embed\.weight", r"transformer.queries_embedder.weight"),
        (r"predictor\.level_embed\.weight", r"transformer.level_embed.weight"),
        (r"predictor\.mask_embed\.layers\.(\d+)\.(.+)", r"transformer.decoder.mask_predictor.mask_embedder.\1.0.\2"),
        (r"predictor\._mask_pooling_proj\.(.+)", r"pooled_projection.\1"),
        (r"predictor\.class_embed\.layers\.(.+)", r"class_layers.\1"),
        (r"predictor\.logit_scale", r"logit_scale"),
    )
)
PACKED = re.compile(
    rf"({re.escape(DECODER)}\.\d+\.self_attn)\.in_proj_(weight|bias)"
)  # transformers keeps q, k, v apart


def our_name(key: str) -> str | None:
    """This plugin's name of FC-CLIP's key, None where it belongs elsewhere. Raises WeightsDamaged for any other."""
    if key.startswith(ELSEWHERE):
        return None
    if key == "void_embedding.weight":
        return "void"
    for pattern, target in RULES:
        match = pattern.fullmatch(key)
        if match:
            return match.expand(target)
    raise WeightsDamaged("keys of FC-CLIP's checkpoints alone", f"1 left over: {key}", CHECKPOINTS)


def our_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The head's part of an FC-CLIP checkpoint under this plugin's names. Raises WeightsDamaged for an unknown key."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        name = our_name(key)
        if name is None:
            continue
        packed = PACKED.fullmatch(name)
        if packed is None:
            renamed[name] = value
            continue
        for letter, part in zip("qkv", value.chunk(3), strict=True):
            renamed[f"{packed[1]}.{letter}_proj.{packed[2]}"] = part
    return renamed


def shape_of(state: Mapping[str, Tensor], pre_norm: bool = False) -> HeadShape:
    """The sizes of a head, read off its tensors (this plugin's names). Raises WeightsDamaged where one is missing."""
    try:
        encoder = _count(state, r"pixel_decoder\.encoder\.layers\.(\d+)\.")
        decoder = _count(state, r"transformer\.decoder\.layers\.(\d+)\.")
        finest = state["pixel_decoder.adapter_1.0.weight"].shape[1]
        coarse = [state[f"pixel_decoder.input_projections.{n}.0.weight"].shape[1] for n in (2, 1, 0)]
        offsets = state["pixel_decoder.encoder.layers.0.self_attn.sampling_offsets.bias"].shape[0]
        queries, hidden = state["transformer.queries_features.weight"].shape
        feedforward = state["pixel_decoder.encoder.layers.0.fc1.weight"]
        return HeadShape(
            channels=(finest, coarse[0], coarse[1], coarse[2]), queries=queries, feature=feedforward.shape[1],
            mask=state["pixel_decoder.mask_projection.weight"].shape[0], hidden=hidden,
            embed=state["void"].shape[1], heads=offsets // (len(coarse) * POINTS * 2), encoder_layers=encoder,
            encoder_feedforward=feedforward.shape[0], decoder_layers=decoder,
            feedforward=state["transformer.decoder.layers.0.fc1.weight"].shape[0], pre_norm=pre_norm,
        )  # fmt: skip
    except KeyError as error:
        raise incomplete(str(error.args[0]), "a mask head", CHECKPOINTS) from error


def head_of(state: Mapping[str, Tensor], pre_norm: bool = False, where: str = "a checkpoint") -> MaskHead:
    """The head with those tensors, FC-CLIP's names or ours, float32, frozen. where: the file that they are from. Raises
    WeightsDamaged unless they fit without one missing or left over."""
    ours = our_state(state) if any(key.startswith("sem_seg_head.") for key in state) else dict(state)
    shape = shape_of(ours, pre_norm)
    with torch.device("meta"):
        head = MaskHead(shape)
    fill(head, {key: value.float() for key, value in ours.items()}, where, assign=True)
    return head.eval().requires_grad_(False)


def load_head(settings: HeadSettings) -> tuple[MaskHead, tuple[str, ...]]:
    """The head that the settings name, and the terms it was fine-tuned on where its file says so. Raises
    WeightsMissing, WeightsDamaged, ConfigError."""
    if settings.weights == RANDOM:
        todo = "fine-tune it first (`retclip finetune`), or name weights"
        raise ConfigError("a fine-tuned head to find masks with", 'weights = "random"', todo)
    path = model_file(settings.weights, PUBLISHED, "weights")
    return head_of(read_state(path, _ours), where=str(path)), trained_on_of(path)


def load_void(settings: HeadSettings) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """What the in-vocabulary classifier needs of a head: the vector of "no object" (1, d), the logarithm of the scale,
    and the terms that it was fine-tuned on. Raises WeightsMissing, WeightsDamaged."""
    path = model_file(settings.weights, PUBLISHED, "weights")
    names = {"void": "void", "void_embedding.weight": "void", "logit_scale": "logit_scale"}
    names["sem_seg_head.predictor.logit_scale"] = "logit_scale"
    tensors = {names[key]: value.float() for key, value in read_state(path, names.__contains__).items()}
    lacking = {"missing": sorted({"void", "logit_scale"} - tensors.keys()), NOT_FINITE: not_finite(tensors)}
    require_whole(lacking, f"a mask head in {path}", CHECKPOINTS)
    return tensors["void"], tensors["logit_scale"], trained_on_of(path)


def save_head(head: MaskHead, path: Path, trained_on: Iterable[str]) -> None:
    """Own safetensors; the fine-tuning vocabulary stands in the file, because alpha and beta need it."""
    write_safetensors(head.state_dict(), path, {"trained_on": json.dumps(list(trained_on))})


def trained_on_of(path: Path) -> tuple[str, ...]:
    """The terms in the file's metadata; none where it does not say. Raises WeightsDamaged."""
    terms = read_metadata(path).get("trained_on", "[]")
    try:
        return tuple(json.loads(terms))
    except (ValueError, RecursionError) as error:
        todo = "fetch or save it again"
        raise WeightsDamaged(f"a list of terms under trained_on in {path}", str(error), todo) from error


def _ours(key: str) -> bool:
    return not key.startswith(ELSEWHERE)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    numbers = {int(match[1]) for key in state if (match := re.match(pattern, key))}
    return max(numbers, default=-1) + 1
