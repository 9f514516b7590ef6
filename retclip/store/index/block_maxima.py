"""The largest of very many scores in a row, by way of the maxima of small blocks of columns.

Block w of b consists of the columns w, w + b, w + 2b ...: maxima are then taken of whole runs of memory, eight times as
fast as of columns that lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 16  # columns per maximum
LOWEST = torch.finfo(torch.float32).min  # what every score reaches that is one


@dataclass(frozen=True, eq=False)
class Candidates:
    """What may be among the k best of its row.

    rows, columns: (m,) int64.
    scores: (m,) float32.
    likely: (m,) bool, at least k of each row: those that reach its k-th largest maximum.
    """

    rows: Tensor
    columns: Tensor
    scores: Tensor
    likely: Tensor


def in_blocks(scores: Tensor, block: int) -> Tensor:
    """View scores (q, w) as (q, block, b) with b = w // block; up to block - 1 columns at the end are left out."""
    blocks = scores.shape[1] // block
    return scores[:, : blocks * block].view(len(scores), block, blocks)


def block_maxima(grouped: Tensor) -> Tensor:
    """Return the largest of each block (q, b) of scores (q, block, b), in their own precision.

    On a CPU the bits of bfloat16 are compared as whole numbers, in half the time: they rise with the numbers from 0 on,
    and fall with those below it.
    """
    if grouped.dtype != torch.bfloat16 or grouped.device.type != "cpu":
        return grouped.amax(dim=1)
    bits = grouped.view(torch.int16)
    largest = bits.amax(dim=1)
    if largest.numel() and int(largest.min()) < 0:  # a block of negative numbers alone
        largest = torch.where(largest < 0, bits.amin(dim=1), largest)
    return largest.view(torch.bfloat16)


def above_kth(scores: Tensor, k: int, error: Callable[[Tensor], Tensor]) -> Candidates:
    """Find the scores that may be among the k best of their row, each known up to an error. Scores of -inf are none.

    scores: (q, w).
    k: at most w.
    error: bounds that of scores near a number of each row: (q,) to (q,).
    """
    if not k or not len(scores):
        nothing = torch.zeros(0, dtype=torch.int64, device=scores.device)
        return Candidates(nothing, nothing, nothing.float(), nothing.bool())
    grouped, width = in_blocks(scores, BLOCK), scores.shape[1] // BLOCK
    if width < k:
        kth = _kth(scores.float(), k)  # (q,)
        rows, columns = _reaching(scores, kth - 2 * error(kth))
        return _candidates(scores, rows, columns, kth)
    maxima = block_maxima(grouped).float()  # (q, b)
    kth = _kth(maxima, k)  # (q,), of k different columns, so not above the k-th best of all
    limits = kth - 2 * error(kth)  # (q,)
    rows, blocks = _reaching(maxima, limits)
    pairs, places = _reaching(grouped[rows, :, blocks], limits[rows])
    rest_rows, rest = _reaching(scores[:, width * BLOCK :], limits)
    columns = torch.cat([places * width + blocks[pairs], rest + width * BLOCK])
    return _candidates(scores, torch.cat([rows[pairs], rest_rows]), columns, kth)


def _candidates(scores: Tensor, rows: Tensor, columns: Tensor, kth: Tensor) -> Candidates:
    """Make the candidates at those places of the scores (q, w). kth: (q,)."""
    values = scores[rows, columns].float()  # (m,)
    return Candidates(rows, columns, values, values >= kth[rows])


def _kth(scores: Tensor, k: int) -> Tensor:
    """Find the k-th largest (q,) of scores (q, w) float32."""
    if k == 1:
        return scores.amax(dim=1)
    if scores.device.type == "cpu":  # a quarter of topk's time
        return torch.from_numpy(np.partition(scores.numpy(), -k, axis=1)[:, -k])
    return scores.topk(k, dim=1).values[:, -1]


def _reaching(scores: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """Find rows and columns of the scores (q, w) that reach the limit (q,) of their row, and are scores."""
    rows, columns = (scores >= limits[:, None].clamp(min=LOWEST)).nonzero(as_tuple=True)
    return rows, columns
