"""Prototypes, and a layer fitted to each photo, beside the vote of preset `miniature` or in its place, on drawn scenes.

    python benchmarks/taught.py --out /tmp/taught [--stored 1000] [--shown 200] [--counted 100] [--split test]

Stores as `methods.py` makes them. The scores of the shown scenes are cached once per store; then the components
`retrieval.prototypes` and `retrieval.fitted`, with their default settings and k-means of 3, are asked of every scene
through the open store, and decided as `evaluate` decides with these classifiers. Changes against the vote are paired,
with 95 % intervals over the scenes. Nothing is chosen here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from methods import BASE, built, changes, options, table

import retclip
from retclip.algorithms.ensemble import ensemble
from retclip.own_files import claim_folder
from retclip.tuning_run import classifier_with
from retclip.types import ClassScores, Neighbours, Role, Vocabulary
from retclip.workflows.evaluation.image_table import ImageTable
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter, require_store
from retclip.workflows.segment.score_masks import ScoredMasks, scores_by
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.count_trials import counts_of_scores
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.trials import Trial, Trials

VOTE, PROTOTYPES, FITTED = "retrieval.vote", "retrieval.prototypes", "retrieval.fitted"
MEANS: dict[str, tuple[str, dict[str, Any]]] = {  # what is compared with the vote: a classifier and its settings
    "class means": (PROTOTYPES, {"per_class": 1}),
    "k-means of 3": (PROTOTYPES, {"per_class": 3}),
}
SOURCES = {**MEANS, "layer of the photo": (FITTED, {})}
Rows = dict[str, tuple[str, ...]]  # the retrieval scores of each row, which are averaged


def beside(names: Iterable[str]) -> Rows:
    """The vote, and each of the others beside it."""
    return {VOTE: (VOTE,), **{f"{name}, beside the vote": (VOTE, name) for name in names}}


def instead(names: Iterable[str]) -> Rows:
    """Each of them in the place of the vote."""
    return {f"{name}, instead of the vote": (name,) for name in names}


class Asked:
    """The retrieval scores of cached photos by every source, from an open store."""

    def __init__(self, parts: Segmenter, prepared: PreparedVocabulary, sources: dict[str, Loaded[Any]]) -> None:
        if prepared.rest:
            raise SystemExit("every stored class is to be asked: build the stores and the scenes from one source")
        self.parts, self.prepared, self.sources = parts, prepared, sources

    def scores(self, scored: ScoredMasks, vocabulary: Vocabulary) -> dict[str, ClassScores]:
        """The scores by name, the cached vote among them."""
        found = {VOTE: next(source for source in scored.scores if source.role is Role.RETRIEVAL)}
        masks = scored.proposals, scored.segments
        for name, source in self.sources.items():
            near = self._neighbours(scored, getattr(source.component, "prototypes_per_class", 0))
            found[name] = scores_by(source, *masks, vocabulary, near, ["a cached photo"])
        return found

    def _neighbours(self, scored: ScoredMasks, of_each: int) -> Neighbours:
        """The cached neighbours with what the store knows beside: prototypes, or vectors."""
        store, space = require_store(self.parts), self.parts.keys.component.space
        near, covered = scored.neighbours, scored.segments.covered
        if not of_each:
            ids = [segment for segment in dict.fromkeys(near.ids.ravel().tolist()) if segment]
            return replace(near, vectors=store.segments.vectors(ids, space) if ids else {})
        found = store.prototypes(scored.segments.vectors.float(), self.prepared.store_classes, of_each, space)
        far = torch.full_like(found.distances, torch.inf)
        return replace(near, prototypes=replace(found, distances=torch.where(covered[:, None], found.distances, far)))


def counted(cache: ScoreCache, asked: Asked, trial: Trial, rows: Rows, count: int | None) -> dict[str, ImageTable]:
    """The counts of every row. count: of the first so many photos; None = of all."""
    tables = {row: ImageTable(len(cache.head.names)) for row in rows}
    for photo in map(cache.photo, cache.numbers[:count]):
        scored, found = photo.scored, asked.scores(photo.scored, cache.vocabulary)
        others = tuple(source for source in scored.scores if source.role is not Role.RETRIEVAL)
        for row, names in rows.items():
            own = replace(scored, scores=(*(found[name] for name in names), *others))
            combined, void = ensemble(own.sources, own.seen, trial.weights, own.segments.covered)
            mixed = replace(photo, scored=own)
            tables[row].add(counts_of_scores(cache, mixed, combined, void, trial.segment, precision=False))
    return tables


def measured(
    memory: retclip.RetCLIP, address: str, folder: Path, sources: Mapping[str, tuple[str, Any]], rows: Rows,
    count: int | None = None,
) -> tuple[ScoreCache, dict[str, ImageTable]]:  # fmt: skip
    """The counts of every row on the photos of an address, whose scores are cached in a folder."""
    parts = memory.session.segmenter()
    cache, _ = cache_scores(parts, memory.source(address), folder, memory.settings.retrieval.k)
    words = Vocabulary(cache.head.names, cache.head.kinds, cache.head.synonyms)
    load = classifier_with(memory.session.components)
    asked = Asked(parts, memory.session.prepared(words), {name: load(*source) for name, source in sources.items()})
    trial = Trials(memory.settings, [classifier.name for classifier in parts.classifiers]).as_set
    return cache, counted(cache, asked, trial, rows, count)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, Path("/tmp/taught"), 200, "test")
    parser.add_argument("--counted", type=int, default=None, help="the first of the shown scenes; default: all")
    asked = parser.parse_args()
    claim_folder(asked.out, "benchmark")
    for name in asked.stores:
        scenes, store = built(asked.out, name, asked.stored)
        address = f"{scenes}split={asked.split}&count={asked.shown}"
        with retclip.open(store, preset=BASE) as memory:
            folder = asked.out / f"{asked.split}_{name}"
            rows = {**beside(SOURCES), **instead(SOURCES)}
            cache, tables = measured(memory, address, folder, SOURCES, rows, asked.counted)
        answers = {row: changes(cache, tables[VOTE], found) for row, found in tables.items()}
        print(table(name, answers), flush=True)
        plain = {row: {words: each.as_dict() for words, each in found.items()} for row, found in answers.items()}
        (asked.out / f"taught_{asked.split}_{name}.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
