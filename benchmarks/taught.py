"""Prototypes, and a layer fitted to each photo, beside the vote of the preset `miniature` on drawn scenes.

    python benchmarks/taught.py --out /tmp/taught [--stored 300] [--shown 100] [--split val]

Stores as `methods.py` makes them. The scores of the shown scenes are cached once per store; then the retrieval scores
of every mask are taken from the class means, from k-means of three, from a layer fitted to the photo, or from the mean
of one of these and the vote. Changes of PQ against the vote are paired, with 95 % intervals over the scenes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np
import torch
from methods import DRAWINGS, QUALITY, built, difference, options, quality_of
from torch import Tensor

import retclip
from retclip.algorithms.bootstrap import drawings
from retclip.algorithms.image_fusion import class_texts, fused_scores, image_fusion
from retclip.algorithms.prototypes import prototype_scores, prototypes
from retclip.own_files import claim_folder
from retclip.types import Role, Vocabulary
from retclip.workflows.segment.score_masks import ScoredMasks
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.table_counts import TableCounts
from retclip.workflows.tuning.trials import Trial, Trials

PRESET, NEIGHBOURS, MANY = "miniature", 32, 1_000_000
NEAREST, RIDGE, TEMPERATURE = 8, 1.0, 0.02  # the defaults of `retrieval.fitted`
Retrieval = Callable[[ScoredMasks], Tensor]  # scores (n, c) in the place of the vote's


@dataclass(frozen=True, eq=False)
class Stored:
    """The visible segments of the vocabulary's classes. vectors: (m, d); classes: (m,); row: by segment."""

    vectors: Tensor
    classes: Tensor
    row: dict[UUID, int]


def cached(out: Path, name: str, stored: int, shown: int, split: str) -> tuple[ScoreCache, Trial, Stored]:
    """The scores of the shown scenes with store `name`, the preset, and what is stored."""
    scenes, store = built(out, name, stored)
    with retclip.open(store, preset=PRESET) as memory:
        parts = memory.session.segmenter()
        source = memory.source(f"{scenes}split={split}&count={shown}")
        cache, _ = cache_scores(parts, source, out / f"{split}_{name}", NEIGHBOURS)
        prepared = memory.session.prepared(Vocabulary(cache.head.names, cache.head.kinds, cache.head.synonyms))
        space = parts.keys.component.space
        near = parts.store.nearest(torch.eye(space.dim)[:1], prepared.store_classes, MANY, True, space)
        found = [(segment, int(label)) for segment, label in zip(near.ids[0], near.classes[0], strict=True) if segment]
        vectors = parts.store.segments.vectors([segment for segment, _ in found], space)
        table = torch.from_numpy(np.stack([vectors[segment] for segment, _ in found]))
        rows = {segment: number for number, (segment, _) in enumerate(found)}
        trial = Trials(memory.settings, [classifier.name for classifier in parts.classifiers]).as_set
        return cache, trial, Stored(table, torch.tensor([label for _, label in found]), rows)


def retrievals(cache: ScoreCache, stored: Stored) -> dict[str, Retrieval]:
    """The rows of the table."""
    words = cache.vocabulary
    text = class_texts(words.text.float(), torch.as_tensor(words.row_class), len(words))

    def fitted(scored: ScoredMasks) -> Tensor:
        ids = scored.neighbours.ids[:, :NEAREST].ravel().tolist()
        at = torch.tensor(sorted({stored.row[segment] for segment in ids if segment in stored.row}), dtype=torch.int64)
        layer = image_fusion(stored.vectors[at], stored.classes[at], text, RIDGE)
        return fused_scores(layer, scored.segments.vectors, TEMPERATURE)

    alone: dict[str, Retrieval] = {
        "class means": of_prototypes(stored, len(words), 1),
        "k-means of 3": of_prototypes(stored, len(words), 3),
        "layer of the photo": fitted,
    }
    beside = {f"{name}, beside the vote": _beside(rule) for name, rule in alone.items()}
    return {"the vote": voted, **{f"{name}, instead of the vote": rule for name, rule in alone.items()}, **beside}


def of_prototypes(stored: Stored, classes: int, count: int) -> Retrieval:
    """Scores by `count` prototypes of each class."""
    of_each = [prototypes(stored.vectors[stored.classes == label].numpy(), count) for label in range(classes)]
    owners = torch.tensor([label for label, found in enumerate(of_each) for _ in found])
    table = torch.from_numpy(np.stack([each.vector for found in of_each for each in found]))
    return lambda scored: prototype_scores(1.0 - scored.segments.vectors @ table.T, owners, classes, TEMPERATURE)


def voted(scored: ScoredMasks) -> Tensor:
    """The vote's own scores."""
    return next(source.values for source in scored.scores if source.role is Role.RETRIEVAL)


def _beside(rule: Retrieval) -> Retrieval:
    return lambda scored: (voted(scored) + rule(scored)) / 2


def with_retrieval(scored: ScoredMasks, rule: Retrieval) -> ScoredMasks:
    """The masks with other retrieval scores."""
    values = torch.where(scored.segments.covered[:, None], rule(scored), 0.0)
    sources = tuple(
        replace(source, values=values, shares=None) if source.role is Role.RETRIEVAL else source
        for source in scored.scores
    )
    return replace(scored, scores=sources)


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, Path("/tmp/taught"), 100, "val").parse_args()
    claim_folder(asked.out, "benchmark")
    for name in asked.stores:
        cache, trial, stored = cached(asked.out, name, asked.stored, asked.shown, asked.split)
        rules, numbers, classes = retrievals(cache, stored), cache.numbers, len(cache.head.names)
        counts = {row: np.zeros((len(numbers), len(QUALITY), classes)) for row in rules}
        for place, photo in enumerate(map(cache.photo, numbers)):
            for row, rule in rules.items():
                mixed = replace(photo, scored=with_retrieval(photo.scored, rule))
                of_photo = TableCounts(cache, mixed, [trial.weights]).of(np.array([0]), trial.segment)
                counts[row][place] = [getattr(of_photo, figure)[0] for figure in QUALITY]
        unseen = np.flatnonzero(~np.array(cache.head.groups))
        draws = np.concatenate([np.ones((1, len(numbers))), *drawings(len(numbers), DRAWINGS, 0)])
        quality = {row: quality_of(np.tensordot(draws, values, 1), unseen) for row, values in counts.items()}
        print(f"| store {name} | PQ | unseen PQ |\n|---|---|---|")
        for row, figures in quality.items():
            changes = [difference(quality["the vote"][words], figures[words]) for words in figures]
            cells = [f"{each.second:.1f} ({each.change:+.1f}: {each.low:+.1f} to {each.high:+.1f})" for each in changes]
            print(f"| {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
