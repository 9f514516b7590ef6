"""The panoptic merge of one image for many scores at once, as tables of pixels instead of maps.

Panoptic quality asks of a map only how many pixels each mask keeps under each annotated segment. Between one setting of
an ensemble and the next most pixels keep their owner, the mask with the highest score * probability: over a set of
settings, whose scores of mask n lie in [low_n, high_n], mask i owns pixel p in all of them if

    low_i * probability[i, p] > high_j * probability[j, p]        for every other mask j

Products of floats that are not negative keep their order, so this decides exactly what a comparison in each setting
would. Such pixels are counted once for all of the set. Where two masks are left, i owns the pixel if

    score_i / score_j > probability[j, p] / probability[i, p]

so that of such pixels, sorted by the right side, those of i come first in each setting; the few within rounding are
compared as floats. For pixels of three masks and more the set is divided where its scores differ most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray

FEW = 128  # settings that are compared one by one
LEAST = 0.05  # share of the highest score that a lower one counts as where a set is divided
SAFE = 1e-30  # products above which a float's relative error is that of its last bit
ROOM = 2.0**-20  # the same of ratios, in float32
NEAR = 2.0**-22  # relative difference of two products above which rounding does not change which is larger


@dataclass(frozen=True, eq=False)
class MergeTables:
    """What each of m masks keeps in each of s settings, 0 where it is no candidate.

    inside: (s, m, t) int64 pixels that it owns with a probability of at least the mask threshold, by annotated segment.
    won: (s, m) int64 all pixels that it owns.
    """

    inside: Int64[np.ndarray, "s m t"]
    won: Int64[np.ndarray, "s m"]


def merge_tables(
    probabilities: Float[np.ndarray, "m p"],
    annotated: Int64[np.ndarray, "p"],
    segments: int,
    best: Float[np.ndarray, "s m"],
    candidates: Bool[np.ndarray, "s m"],
    mask_threshold: float,
) -> MergeTables:
    """Return the tables of one image (method.md 1.8, `panoptic_merge`).

    probabilities: (m, p) float32 of each mask at each pixel.
    annotated: (p,) the annotated segment of each pixel, from 0.
    segments: t, how many there are.
    best: (s, m) float32, the score of each mask's best class.
    candidates: (s, m) which masks may become segments.

    Worked example: two masks with probabilities (0.9, 0.6) and (0.2, 0.8) at two pixels, each another segment. Scores
    (1, 1): each owns one. Scores (1, 0.5): the first owns both, 0.6 against 0.4.
    """
    if not candidates.any():
        return MergeTables(np.zeros((*best.shape, segments), dtype=np.int64), np.zeros(best.shape, dtype=np.int64))
    counted = _Counted(annotated, segments, mask_threshold, len(best), len(probabilities))
    positive = probabilities.min(axis=0, initial=1.0) > 0
    if positive.any():  # the product of a score of -1 is below that of every candidate
        scores = np.where(candidates, best, np.float32(-1.0))
        counted.add(scores, probabilities, positive, np.arange(len(best)), np.arange(len(probabilities)))
    if not positive.all():  # products of 0, where the first candidate owns the pixel
        sets, members = np.unique(np.packbits(candidates, axis=1), axis=0, return_inverse=True)
        for number in range(len(sets)):
            rows = (members.ravel() == number).nonzero()[0]
            masks = candidates[rows[0]].nonzero()[0]
            if len(masks):
                counted.add(best[np.ix_(rows, masks)], probabilities, ~positive, rows, masks)
    counted.inside[~candidates] = 0  # of settings without a candidate
    counted.won[~candidates] = 0
    return MergeTables(counted.inside, counted.won)


class _Counted:
    """Counts pixels into the tables."""

    def __init__(
        self, annotated: NDArray[np.int64], segments: int, threshold: float, settings: int, masks: int
    ) -> None:
        self.annotated, self.segments, self.threshold = annotated, segments, np.float32(threshold)
        self.width = 2 * segments
        self.inside = np.zeros((settings, masks, segments), dtype=np.int64)
        self.won = np.zeros((settings, masks), dtype=np.int64)

    def add(
        self, best: NDArray[np.float32], probabilities: NDArray[np.float32], pixels: NDArray[np.bool_],
        rows: NDArray[np.int64], masks: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Count some pixels. best: (s, m) of the settings `rows` and the masks."""
        chosen = probabilities[masks][:, pixels]  # (m, p)
        codes = (self.annotated[pixels] * 2 + (chosen >= self.threshold)).astype(np.int32)  # segment, whether inside
        different, places = np.unique(best, axis=0, return_inverse=True)
        tables = np.zeros((len(different), len(masks), self.width), dtype=np.int64)
        owned = chosen.max(axis=0) > 0  # elsewhere all products are 0, and the first of equals owns the pixel
        tables[:, 0] += np.bincount(codes[0, ~owned], minlength=self.width)
        self._descend(different, tables, chosen[:, owned], codes[:, owned])
        counts = tables[places.ravel()].reshape(len(rows), len(masks), self.segments, 2)
        self.inside[rows[:, None], masks] += counts[..., 1]
        self.won[rows[:, None], masks] += counts.sum(axis=(2, 3))

    def _descend(
        self, best: NDArray[np.float32], tables: NDArray[np.int64], probabilities: NDArray[np.float32],
        codes: NDArray[np.int32],
    ) -> None:  # fmt: skip
        """Count the pixels that are decided for all of these settings, then the others for parts of them.

        best, tables: (s, m), (s, m, w) of the settings, views that are counted into.
        probabilities, codes: (m, p) of the pixels.
        """
        low = best.min(axis=0)
        products = low[:, None] * probabilities  # (m, p)
        surest = products.argmax(axis=0)  # (p,)
        sure, of_surest = products[surest, np.arange(len(surest))], probabilities[surest, np.arange(len(surest))]
        contends = _largest_ratios(best, low)[:, surest] * probabilities >= of_surest  # (m, p)
        contends[:, sure <= SAFE] = True
        rivals = contends.sum(axis=0)  # (p,)
        decided = np.flatnonzero(rivals == 1)
        owner = contends[:, decided].argmax(axis=0)
        keys = owner * self.width + codes[owner, decided]
        tables += np.bincount(keys, minlength=tables[0].size).reshape(tables[0].shape)
        pair = (rivals == 2) & (sure > SAFE)
        if pair.any():
            self._count_pairs(best, tables, probabilities[:, pair], codes[:, pair], contends[:, pair])
        left = (rivals > 1) & ~pair
        masks = np.flatnonzero(contends[:, left].any(axis=1))
        if not len(masks):
            return
        at = np.ix_(masks, left)
        part = np.zeros((len(best), len(masks), self.width), dtype=np.int64)
        if len(best) <= FEW:
            self._compare(best[:, masks], part, probabilities[at], codes[at], contends[at])
        else:
            self._divide(best[:, masks], part, probabilities[at], codes[at], contends[at])
        tables[:, masks] += part

    def _divide(
        self, best: NDArray[np.float32], tables: NDArray[np.int64], probabilities: NDArray[np.float32],
        codes: NDArray[np.int32], contends: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Count both halves of the settings, divided where scores that matter differ most."""
        highest = np.maximum(best.max(axis=0), 1e-9)
        spread = contends.sum(axis=1) * np.log(highest / np.clip(best.min(axis=0), LEAST * highest, highest))
        order = np.argsort(best[:, int(spread.argmax())], kind="stable")
        for half in np.array_split(order, 2):
            part = np.zeros((len(half), *tables.shape[1:]), dtype=np.int64)
            self._descend(best[half], part, probabilities, codes)
            tables[half] += part

    def _count_pairs(
        self, best: NDArray[np.float32], tables: NDArray[np.int64], probabilities: NDArray[np.float32],
        codes: NDArray[np.int32], contends: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Count pixels that two masks contend for. contends: (m, p), two of each pixel."""
        masks, places = len(contends), np.arange(contends.shape[1])
        first, second = contends.argmax(axis=0), masks - 1 - contends[::-1].argmax(axis=0)  # (p,)
        ratios = probabilities[second, places].astype(np.float64) / probabilities[first, places]
        pairs = first * masks + second
        order = np.lexsort((ratios, pairs))
        begins = np.flatnonzero(np.diff(pairs[order], prepend=-1))
        for at in np.split(order, begins[1:]):
            i, j = int(first[at[0]]), int(second[at[0]])
            both = _Pair(ratios[at], probabilities[i, at], probabilities[j, at], codes[i, at], codes[j, at])
            both.count(best[:, i], best[:, j], tables[:, i], tables[:, j])

    def _compare(
        self, best: NDArray[np.float32], tables: NDArray[np.int64], probabilities: NDArray[np.float32],
        codes: NDArray[np.int32], contends: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Count each setting by itself: the first mask of the highest product owns a pixel.

        contends: (m, p); pixels that the same masks contend for are compared together, by these masks alone.
        """
        words = _words(contends)  # (v, p)
        order = np.lexsort(words)
        begins = np.flatnonzero((np.diff(words[:, order], prepend=0) != 0).any(axis=0))
        keys = np.empty((len(best), len(order)), dtype=np.int32)  # (s, p) sorted by their sets
        probabilities, codes = probabilities[:, order], codes[:, order]
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
            first, *others = np.flatnonzero(contends[:, order[begin]]).tolist()
            at, winner = slice(begin, end), keys[:, begin:end]
            highest = best[:, first : first + 1] * probabilities[first, at]  # (s, q)
            winner[:] = codes[first, at] + np.int32(first * self.width)
            for n in others:
                product = best[:, n : n + 1] * probabilities[n, at]
                np.copyto(winner, codes[n, at] + np.int32(n * self.width), where=product > highest)
                np.maximum(highest, product, out=highest)
        keys += np.arange(len(best), dtype=np.int32)[:, None] * np.int32(tables[0].size)
        tables += np.bincount(keys.ravel(), minlength=tables.size).reshape(tables.shape)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Pixels that masks i and j contend for, i before j.

    ratios: (p,) probability of j over that of i, rising.
    first, second: (p,) probabilities of i and j; first_codes, second_codes: (p,) what each counts the pixel as.
    """

    ratios: NDArray[np.float64]
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    first_codes: NDArray[np.int32]
    second_codes: NDArray[np.int32]

    def count(
        self, first: NDArray[np.float32], second: NDArray[np.float32], first_table: NDArray[np.int64],
        second_table: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Count every setting. first, second: (s,) scores of i and j; the tables (s, w) of each are counted into."""
        there = (first > 0) & (second > 0)
        quotient = np.where(there, first.astype(np.float64) / np.where(there, second, 1.0), 0.0)
        quotient = np.where((first > 0) & ~there, np.inf, quotient)  # (s,) below 0 no score, i before all, or none
        surely = np.searchsorted(self.ratios, quotient * (1 - NEAR), side="left")  # (s,) pixels of i
        maybe = np.searchsorted(self.ratios, quotient * (1 + NEAR), side="right")  # (s,) behind them j's
        width = first_table.shape[1]
        first_table += _running(self.first_codes, width)[surely]
        of_second = _running(self.second_codes, width)
        second_table += of_second[-1] - of_second[maybe]
        near = maybe - surely
        if near.any():
            settings = np.repeat(np.arange(len(near)), near)
            pixels = np.arange(len(settings)) - np.repeat(np.cumsum(near) - near, near) + np.repeat(surely, near)
            won = first[settings] * self.first[pixels] >= second[settings] * self.second[pixels]
            np.add.at(first_table, (settings[won], self.first_codes[pixels[won]]), 1)
            np.add.at(second_table, (settings[~won], self.second_codes[pixels[~won]]), 1)


def _largest_ratios(best: NDArray[np.float32], low: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (m, m) how many times as high as that of mask i the score of mask j is at most, [j, i], with room for
    rounding; infinite where i has no score in some setting. low: (m,) the lowest score of each."""
    ratios = np.full((len(low), len(low)), np.inf)
    for i in np.flatnonzero(low > 0):
        ratios[:, i] = (best.astype(np.float64) / best[:, i : i + 1]).max(axis=0)
    with np.errstate(over="ignore"):  # a ratio that no float32 holds is as good as infinite
        return (ratios * (1 + ROOM)).astype(np.float32)


def _running(codes: NDArray[np.int32], width: int) -> NDArray[np.int64]:
    """Return (p + 1, w) how often each code occurs among the first pixels."""
    running = np.zeros((len(codes) + 1, width), dtype=np.int64)
    running[np.arange(len(codes)) + 1, codes] = 1
    return running.cumsum(axis=0, out=running)


def _words(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (v, p) the flags of each column as numbers of 62 flags each, none of them 0 in all. flags: (m, p)."""
    parts = [flags[begin : begin + 62] for begin in range(0, len(flags), 62)]
    return np.stack([(1 << np.arange(len(part), dtype=np.int64)) @ part for part in parts])
