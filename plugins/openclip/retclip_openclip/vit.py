"""CLIP's ViT as a dense backbone: a modified last block makes patch tokens local (method.md 4.1, 4.2).

CLIP's last block aggregates the image into the class token, and its residual stream dominates the patch tokens. With x
the block's input, q, k, v the projections of LN(x) and O the output projection:

    vanilla     the block as trained
    maskclip    y = x + O v, then the feed-forward part with its residual
    sclip       y = x + O (softmax(q q') + softmax(k k')) v, then the feed-forward part
    clearclip   O softmax(q q') v, neither residual nor feed-forward part
    naclip      O softmax(k k' + a Gaussian window around the patch) v, neither residual nor feed-forward part

CLIP's last norm and projection follow in every variant.
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
        block = visual.transformer.resblocks[-1]
        if dense != "vanilla" and not isinstance(getattr(block, "attn", None), nn.MultiheadAttention):
            got = f"{type(block).__name__} with {type(getattr(block, 'attn', None)).__name__}"
            raise ConfigError(f"a plain attention block for dense = {dense!r}", got, "set dense = 'vanilla'")

    def dense(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the projected patch tokens (b, d, H/p, W/p), and no levels.

        x: (b, 3, H, W) normalised pixels, sides multiples of the patch size p.
        """
        visual = self.visual
        x = visual.conv1(x)  # (b, width, h, w)
        rows, columns = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)  # (b, hw, width)
        class_token = visual.class_embedding.to(tokens).expand(len(tokens), 1, -1)  # (b, 1, width)
        tokens = torch.cat((class_token, tokens), dim=1) + self._positions(rows, columns).to(
            tokens
        )  # (b, 1 + hw, width)
        tokens = visual.ln_pre(tokens)
        for block in visual.transformer.resblocks[:-1]:
            tokens = block(tokens)
        tokens = self._last_block(tokens, rows, columns)
        tokens = visual.ln_post(tokens)[:, 1:]  # (b, hw, width)
        if visual.proj is not None:
            tokens = tokens @ visual.proj.to(tokens)  # (b, hw, width) (width, d) -> (b, hw, d)
        return tokens.transpose(1, 2).unflatten(2, (rows, columns)), {}  # (b, d, h, w)

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:  # noqa: ARG002
        """Return (n, d), the weighted mean of the projected patches, not normalised.

        grid: (d, h, w).
        weights: (n, h, w) in [0, 1].
        """
        return mask_pooling(grid, weights)[0]

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the position embeddings (1 + hw, width), those of the grid resized bicubically as OpenCLIP does."""
        table: Tensor = self.visual.positional_embedding.float()
        native = tuple(self.visual.grid_size)
        if (rows, columns) == native:
            return table
        grid = table[1:].T.reshape(1, -1, *native)
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat((table[:1], grid[0].flatten(1).T))

    def _last_block(self, x: Tensor, rows: int, columns: int) -> Tensor:
        block = self.visual.transformer.resblocks[-1]
        output: Tensor
        if self.variant == "vanilla":
            output = block(x)
            return output
        q, k, v = _projections(block.attn, block.ln_1(x))
        values: Tensor = block.ls_1(block.attn.out_proj(_joined(self._attended(q, k, v, rows, columns))))
        if self.variant in ("clearclip", "naclip"):
            return values
        x = x + values
        output = x + block.ls_2(block.mlp(block.ln_2(x)))
        return output

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, rows: int, columns: int) -> Tensor:
        """Return the attended values (b, heads, l, d_head); q, k and v have the same shape."""
        scale: float = q.shape[-1] ** -0.5
        if self.variant == "maskclip":
            return v
        if self.variant == "clearclip":
            return (q @ q.transpose(-1, -2) * scale).softmax(-1) @ v
        similarity = k @ k.transpose(-1, -2) * scale  # (b, heads, l, l)
        if self.variant == "naclip":
            return (similarity + window(rows, columns).to(similarity)).softmax(-1) @ v
        return ((q @ q.transpose(-1, -2) * scale).softmax(-1) + similarity.softmax(-1)) @ v


def window(rows: int, columns: int, std: float = WINDOW) -> Tensor:
    """Return (1 + hw, 1 + hw): exp(-distance^2 / (2 std^2)) between patches, 0 in the class token's row and column.

    std: standard deviation in patches.
    """
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    positions = torch.stack((y.flatten(), x.flatten()), dim=1).float()  # (hw, 2)
    squares = torch.cdist(positions, positions).square()  # (hw, hw)
    return F.pad(torch.exp(-squares / (2 * std**2)), (1, 0, 1, 0))


def _projections(attention: nn.MultiheadAttention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k and v, each (b, heads, l, d_head)."""
    packed = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = (
        projection.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for projection in packed.chunk(3, dim=-1)
    )
    return q, k, v


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
