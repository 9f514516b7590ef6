"""Segment Anything from a checkpoint; sizes are read off the tensors, so every size of the design loads alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor

from retclip.errors import WeightsDamaged
from retclip.plugin.checkpoints import read_state
from retclip.plugin.model_files import model_file
from retclip.plugin.pointwise import with_pointwise_linear
from retclip.plugin.whole_weights import fill, incomplete
from retclip_grounded_sam import PUBLISHED
from retclip_grounded_sam.row_attention import with_row_attention

PATCH = 16  # pixels along the side of SAM's patches
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of 8-bit values: ImageNet's
DECODER_HEADS = 8


def load_sam(sam: str) -> Sam:
    """Return a SAM, float32, frozen.

    sam: name of a published one, or a file of the user's.
    Raises WeightsMissing, WeightsDamaged.
    """
    sizes = {name: weights for name, weights in PUBLISHED.items() if name.startswith("sam_")}
    path = model_file(sam, sizes, "sam")
    return sam_of(read_state(path), str(path))


def sam_of(state: Mapping[str, Tensor], name: str) -> Sam:
    """Return a SAM with the given tensors. Raises WeightsDamaged if they are not those of one complete SAM."""
    try:
        model = _empty(state)
    except KeyError as error:  # its sizes are read off its tensors
        raise incomplete(str(error.args[0]), f"a SAM in {name}") from error
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError) as error:
        todo = "use a checkpoint of segment-anything"
        raise WeightsDamaged(f"the tensors of a SAM in {name}", str(error).splitlines()[0], todo) from error
    fill(model, state, name)
    return quick(model.float().eval().requires_grad_(False))


def quick(model: Sam) -> Sam:
    """Let a SAM compute the same numbers in less time and memory, in place; parameters and names stay."""
    with_row_attention(model.image_encoder)
    with_pointwise_linear(model)
    return model


def _empty(state: Mapping[str, Tensor]) -> Sam:
    """Return a SAM of the sizes that the tensors have, not yet filled."""
    _, grid, _, width = state["image_encoder.pos_embed"].shape
    depth = 1 + max(int(match[1]) for key in state if (match := re.match(r"image_encoder\.blocks\.(\d+)\.", key)))
    lengths = [len(state[f"image_encoder.blocks.{n}.attn.rel_pos_h"]) for n in range(depth)]
    global_length = 2 * grid - 1  # rows of relative positions in a block with global attention
    prompt = len(state["image_encoder.neck.0.weight"])
    windows = [length for length in lengths if length != global_length]
    encoder = ImageEncoderViT(
        img_size=grid * PATCH, patch_size=PATCH, embed_dim=width, depth=depth,
        num_heads=width // state["image_encoder.blocks.0.attn.rel_pos_h"].shape[1],
        mlp_ratio=len(state["image_encoder.blocks.0.mlp.lin1.weight"]) / width, out_chans=prompt, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True,
        global_attn_indexes=tuple(n for n, length in enumerate(lengths) if length == global_length),
        window_size=(windows[0] + 1) // 2 if windows else 0,
    )  # fmt: skip
    decoder = "mask_decoder.transformer.layers"
    layers = 1 + max(int(match[1]) for key in state if (match := re.match(rf"{re.escape(decoder)}\.(\d+)\.", key)))
    transformer = TwoWayTransformer(
        depth=layers, embedding_dim=prompt, num_heads=DECODER_HEADS,
        mlp_dim=len(state[f"{decoder}.0.mlp.lin1.weight"]),
    )  # fmt: skip
    return Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=prompt, image_embedding_size=(grid, grid), input_image_size=(grid * PATCH, grid * PATCH),
            mask_in_chans=len(state["prompt_encoder.mask_downscaling.3.weight"]),
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=prompt, transformer=transformer, num_multimask_outputs=3, iou_head_depth=3,
            iou_head_hidden_dim=len(state["mask_decoder.iou_prediction_head.layers.0.weight"]),
        ),
        pixel_mean=list(MEAN),
        pixel_std=list(STD),
    )  # fmt: skip
