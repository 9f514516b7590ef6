"""The largest of very many scores in a row, by way of the maxima of small blocks of columns.

Block w of b consists of the columns w, w + b, w + 2b ...: maxima are then taken of whole runs of memory, eight times as
fast as of columns that lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 16  # columns per maximum


def in_blocks(scores: Tensor, block: int) -> Tensor:
    """View scores (q, w) as (q, block, b) with b = w // block; up to block - 1 columns at the end are left out."""
    blocks = scores.shape[1] // block
    return scores[:, : blocks * block].view(len(scores), block, blocks)


def above_kth(scores: Tensor, k: int, error: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Find rows and columns (m,) of the scores that may be among the k best of their row, each known up to an error.
    Scores of -inf are none.

    scores: (q, w).
    k: at most w.
    error: bounds that of scores near a number of each row: (q,) to (q,).
    """
    if not k or not len(scores):
        nothing = torch.zeros(0, dtype=torch.int64, device=scores.device)
        return nothing, nothing
    grouped, width = in_blocks(scores, BLOCK), scores.shape[1] // BLOCK
    if width < k:
        limits = _limits(scores.float(), k, error)  # (q,)
        return _reaching(scores, limits)
    maxima = grouped.amax(dim=1).float()  # (q, b)
    limits = _limits(maxima, k, error)  # of k different columns, so not above the k-th best of all
    rows, blocks = _reaching(maxima, limits)
    pairs, places = _reaching(grouped[rows, :, blocks], limits[rows])
    rest_rows, rest = _reaching(scores[:, width * BLOCK :], limits)
    columns = places * width + blocks[pairs]
    return torch.cat([rows[pairs], rest_rows]), torch.cat([columns, rest + width * BLOCK])


def _limits(scores: Tensor, k: int, error: Callable[[Tensor], Tensor]) -> Tensor:
    """Compute the least score (q,) that may be the k-th best of scores (q, w) float32."""
    kth = scores.amax(dim=1) if k == 1 else scores.topk(k, dim=1).values[:, -1]
    return kth - 2 * error(kth)


def _reaching(scores: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """Find rows and columns of the scores (q, w) that reach the limit (q,) of their row, and are scores."""
    rows, columns = ((scores >= limits[:, None]) & (scores > -torch.inf)).nonzero(as_tuple=True)
    return rows, columns
