"""FC-CLIP's inference written plainly, as the original computes it: the yardstick of `full_size_path.py`.

timm's and transformers' modules as they come, every layer's masks, all masks at the photo's size, one mask after the
other in the merge (method.md 1 and 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from retclip_mask2former.head import MaskHead, class_logits
from torch import Tensor
from transformers.models.mask2former.modeling_mask2former import Mask2FormerPixelDecoder, Mask2FormerTransformerModule

SEEN, UNSEEN, OVERLAP = 0.4, 0.8, 0.0  # alpha, beta, the share of its area that a mask must keep
MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


class PlainFCCLIP:
    """The original's modules with the same weights.

    clip: the state of an OpenCLIP ConvNeXt-Large; head: whose weights the mask head has.
    text: (r, d) of unit length; rows: (r,) the class of each; seen: (c,).
    """

    def __init__(self, clip: dict[str, Tensor], head: MaskHead, text: Tensor, rows: Tensor, seen: Tensor) -> None:
        model: Any = open_clip.create_model("convnext_large_d_320", pretrained=None)
        model.load_state_dict(clip)
        self.visual, self.scale = (
            model.visual.eval().requires_grad_(False),
            float(model.logit_scale.detach().exp().clamp(max=100)),
        )
        self.head, self.text, self.rows, self.seen = head, text, rows, seen
        config = head.shape.config
        self.pixel_decoder = Mask2FormerPixelDecoder(config, list(head.shape.channels)).eval().requires_grad_(False)
        self.pixel_decoder.load_state_dict(head.pixel_decoder.state_dict())
        self.transformer = Mask2FormerTransformerModule(head.shape.feature, config).eval().requires_grad_(False)
        self.transformer.load_state_dict(head.transformer.state_dict())

    def segment(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the class of each pixel (H, W), -1 = void.

        pixels: (h, w, 3) resized to the network's input, 8 bits; size: (H, W) of the photo.
        """
        frame, grid, masks, embeddings = self._predicted(pixels)
        scores, void = self._scores(embeddings[0], self._pooled(grid, masks)[0])
        full = F.interpolate(masks.float(), size=frame, mode="bilinear", align_corners=False)
        full = full[:, :, : pixels.shape[0], : pixels.shape[1]]
        full = F.interpolate(full, size=size, mode="bilinear", align_corners=False)[0].sigmoid()
        return _merged(full, scores * (1 - void)[:, None], void)

    def embeddings(self, pixels: np.ndarray) -> Tensor:
        """Return what the queries say (q, d)."""
        return self._predicted(pixels)[3][0]

    def _predicted(self, pixels: np.ndarray) -> tuple[tuple[int, ...], Tensor, Tensor, Tensor]:
        """Return the padded input's size, CLIP's last map, mask logits and embeddings of the last layer."""
        x = (torch.tensor(pixels).permute(2, 0, 1).float() / 255 - _column(MEAN)) / _column(STD)
        x = F.pad(x, (0, -x.shape[2] % 32, 0, -x.shape[1] % 32))[None]
        levels, y = [], self.visual.trunk.stem(x)
        for stage in self.visual.trunk.stages:
            levels.append(y := stage(y))
        with torch.autocast("cpu", enabled=False):  # in float32 under autocast, too
            decoded = self.pixel_decoder([level.float() for level in levels])
        output = self.transformer(list(decoded.multi_scale_features), decoded.mask_features)
        layers = zip(output.intermediate_hidden_states, output.masks_queries_logits, strict=True)
        embeddings = [self.head.embedded(queries, masks, decoded.mask_features) for queries, masks in layers]
        return tuple(x.shape[2:]), levels[-1], output.masks_queries_logits[-1], embeddings[-1]

    def _pooled(self, grid: Tensor, masks: Tensor) -> Tensor:
        inside = (F.interpolate(masks, size=grid.shape[2:], mode="bilinear", align_corners=False) > 0).to(grid)
        means = torch.einsum("bchw,bqhw->bqc", grid, inside) / (inside.sum((2, 3))[..., None] + 1e-8)
        flat = self.visual.head(self.visual.trunk.head(means.flatten(0, 1)[:, :, None, None]))
        return F.normalize(flat, dim=-1).unflatten(0, means.shape[:2])

    def _scores(self, embeddings: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        classes, head = len(self.seen), self.head
        inside = class_logits(embeddings.float(), self.text, self.rows, classes, head.void, head.scale)
        cosines = vectors.float() @ self.text.T * self.scale
        outside = torch.stack([cosines[:, self.rows == n].amax(1) for n in range(classes)], dim=1).softmax(-1)
        p, void = inside[:, :-1].softmax(-1), inside.softmax(-1)[:, -1]
        w = torch.where(self.seen, SEEN, UNSEEN)
        return ((1 - w) * p.log() + w * outside.log()).softmax(-1), void


def _merged(masks: Tensor, scores: Tensor, void: Tensor) -> np.ndarray:
    best, labels = scores.max(-1)
    keep = best > void
    masks, best, labels = masks[keep], best[keep], labels[keep]
    answer = np.full(masks.shape[1:], -1)
    if not len(masks):
        return answer
    owner = (best[:, None, None] * masks).argmax(0)
    for n, mask in enumerate(masks):
        won, original = owner == n, mask >= 0.5
        segment = won & original
        area, present = int(won.sum()), int(original.sum())
        if area and present and segment.any() and area / present >= OVERLAP:
            answer[segment.numpy()] = int(labels[n])
    return answer


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None, None]
