"""CLIP's ViT as a dense backbone: another last block, so that a patch says what *it* shows (method.md 4.1, 4.2).

CLIP's last block gathers the image into the class token and its residual stream drowns the patches. With x the block's
input, q, k, v the projections of LN(x) and O the output projection:

    vanilla     the block as it was trained
    maskclip    y = x + O v, then the feed-forward part with its residual
    sclip       y = x + O (softmax(q q') + softmax(k k')) v, then the feed-forward part
    clearclip   O softmax(q q') v, neither residual nor feed-forward part
    naclip      O softmax(k k' + a Gaussian window around the patch) v, neither of both

after which every variant passes CLIP's last norm and projection.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn

from retclip.algorithms.mask_pooling import mask_pooling
from retclip.errors import ConfigError

WINDOW = 5.0  # standard deviation of NACLIP's Gaussian, in patches (method.md 4.1)


class VitTower:
    """`visual` is OpenCLIP's VisionTransformer without attentional pooling."""

    pads = False

    def __init__(self, visual: Any, dense: str) -> None:
        self.visual, self.variant = visual, dense
        self.multiple = int(visual.patch_size[0])
        last = visual.transformer.resblocks[-1]
        if dense != "vanilla" and not isinstance(getattr(last, "attn", None), nn.MultiheadAttention):
            got = f"{type(last).__name__} with {type(getattr(last, 'attn', None)).__name__}"
            raise ConfigError(f"a plain attention block for dense = {dense!r}", got, "set dense = 'vanilla'")

    def dense(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(b, 3, H, W), sides multiples of the patch, to projected patches (b, d, H/p, W/p); no levels."""
        visual = self.visual
        x = visual.conv1(x)  # (b, width, h, w)
        rows, columns = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(tokens).expand(len(tokens), 1, -1)
        tokens = torch.cat((first, tokens), dim=1) + self._positions(rows, columns).to(tokens)
        tokens = visual.ln_pre(tokens)
        for block in visual.transformer.resblocks[:-1]:
            tokens = block(tokens)
        tokens = self._last_block(tokens, rows, columns)
        tokens = visual.ln_post(tokens)[:, 1:]
        if visual.proj is not None:
            tokens = tokens @ visual.proj.to(tokens)
        return tokens.transpose(1, 2).unflatten(2, (rows, columns)), {}

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:  # noqa: ARG002
        """(n, d) of weights (n, h, w): the weighted mean of the projected patches; it is normalised afterwards."""
        return mask_pooling(grid, weights)[0]

    def _positions(self, rows: int, columns: int) -> Tensor:
        """(1 + hw, width): the table that was trained, its grid resized bicubically as OpenCLIP does it."""
        table: Tensor = self.visual.positional_embedding.float()
        native = tuple(self.visual.grid_size)
        if (rows, columns) == native:
            return table
        grid = table[1:].T.reshape(1, -1, *native)
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat((table[:1], grid[0].flatten(1).T))

    def _last_block(self, x: Tensor, rows: int, columns: int) -> Tensor:
        block = self.visual.transformer.resblocks[-1]
        if self.variant == "vanilla":
            found: Tensor = block(x)
            return found
        q, k, v = _projections(block.attn, block.ln_1(x))
        values: Tensor = block.ls_1(block.attn.out_proj(_joined(self._attended(q, k, v, rows, columns))))
        if self.variant in ("clearclip", "naclip"):
            return values
        x = x + values
        fed: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
        return fed

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, rows: int, columns: int) -> Tensor:
        """(b, heads, l, d_head)."""
        scale: float = q.shape[-1] ** -0.5
        if self.variant == "maskclip":
            return v
        if self.variant == "clearclip":
            return (q @ q.transpose(-1, -2) * scale).softmax(-1) @ v
        near = k @ k.transpose(-1, -2) * scale
        if self.variant == "naclip":
            return (near + window(rows, columns).to(near)).softmax(-1) @ v
        return ((q @ q.transpose(-1, -2) * scale).softmax(-1) + near.softmax(-1)) @ v


def window(rows: int, columns: int, std: float = WINDOW) -> Tensor:
    """(1 + hw, 1 + hw): exp(-distance^2 / (2 std^2)) between patches, 0 in the class token's row and column."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack((y.flatten(), x.flatten()), dim=1).float()
    squares = torch.cdist(places, places).square()
    return F.pad(torch.exp(-squares / (2 * std**2)), (1, 0, 1, 0))


def _projections(attention: nn.MultiheadAttention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v, each (b, heads, l, d_head)."""
    packed = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = (one.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for one in packed.chunk(3, dim=-1))
    return q, k, v


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
