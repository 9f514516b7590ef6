"""The vectors that a backbone pools over masks that are stored as run lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.data import rle
from retclip.plugin.contracts import Backbone
from retclip.types import Image, MaskProposals
from retclip.workflows.segment.describe_image import dense, pooled
from retclip.workflows.segment.parts import Loaded

MASK_CELLS = 1 << 26  # pixels of masks that are pooled at once, 256 MB of float32


def mask_vectors(
    backbone: Loaded[Backbone], image: Image, masks: Sequence[bytes]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return unit vectors (n, d), and whether each mask covers a cell (n,); masks are processed in pages that fit
    memory.

    masks: COCO compressed counts.
    Raises DataError for a mask of another size than its image.
    """
    (features,) = dense(backbone, [image])
    height, width = image.size
    at_once, device = max(1, MASK_CELLS // (height * width)), backbone.device.torch_device
    vectors, covered = [np.zeros((0, backbone.component.space.dim), np.float32)], [np.zeros(0, bool)]
    for page in (masks[start : start + at_once] for start in range(0, len(masks), at_once)):
        drawn = np.stack([rle.decode({"size": image.size, "counts": counts}) for counts in page])
        stack = torch.from_numpy(drawn).to(device).float()
        segments = pooled(backbone, image, features, MaskProposals(stack, torch.ones(len(page)), image.size))
        vectors.append(segments.vectors.float().cpu().numpy())
        covered.append(segments.covered.cpu().numpy())
    return np.concatenate(vectors), np.concatenate(covered)
