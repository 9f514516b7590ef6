"""Cached scores under other settings of the vote, or of another classifier: those that change are asked again.

A classifier reads masks, vectors, names and neighbours, all of which are cached; neither image nor store is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from retclip.errors import ConfigError
from retclip.plugin.contracts import NEIGHBOURS, Classifier
from retclip.types import Vocabulary
from retclip.workflows.segment.neighbour_wants import NeighbourWants
from retclip.workflows.segment.neighbours import Searched, parted, side_by_side
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.segment.score_masks import ScoredMasks, scores_by
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.trials import ClassifierWith, Trial


class Rescorer:
    """Makes the scores of trials from cached ones.

    load: loads a classifier with the settings given for it.
    """

    def __init__(self, cache: ScoreCache, load: ClassifierWith) -> None:
        self.vocabulary: Vocabulary = cache.vocabulary
        self.neighbours, self._head, self._load = cache.head.neighbours, cache.head, load
        self._loaded: dict[tuple[str, str], Loaded[Classifier]] = {}

    def check(self, trials: Sequence[Trial]) -> None:
        """Check that cached scores can answer all of them.

        Raises ConfigError for more neighbours, or others, than are cached, and for settings that cannot be.
        """
        most = max((trial.k for trial in trials), default=0)
        if self.neighbours and most > self.neighbours:
            todo = "take a smaller k, or a new --out"
            raise ConfigError(f"k up to the {self.neighbours} neighbours that are cached", f"{most}", todo)
        for name, text in {pair for trial in trials for pair in trial.classifiers}:
            classifier = self._classifier(name, text)
            if NEIGHBOURS in classifier.needs:
                self._check_vote(classifier)

    def scored(self, photo: ScoredMasks, trial: Trial) -> ScoredMasks:
        """Return a photo's scores under a trial's k and classifiers."""
        searched = photo.searched
        fewer = searched is not None and searched.k != trial.k
        if searched is not None and fewer:
            searched = _with_k(searched, trial.k)
        neighbours = None if searched is None else searched.voters
        scores = []
        for source, (name, text) in zip(photo.scores, trial.classifiers, strict=True):
            classifier = self._classifier(name, text)
            as_cached = self._head.settings["classifiers"][name] == json.loads(json.dumps(dict(classifier.settings)))
            if as_cached and not (fewer and NEIGHBOURS in classifier.needs):
                scores.append(source)
            else:
                masks = photo.proposals, photo.segments
                scores.append(scores_by(classifier, *masks, self.vocabulary, neighbours, ["a cached photo"]))
        return replace(photo, scores=tuple(scores), searched=searched)

    def _classifier(self, name: str, text: str) -> Loaded[Classifier]:
        if (name, text) not in self._loaded:
            self._loaded[name, text] = self._load(name, json.loads(text))
        return self._loaded[name, text]

    def _check_vote(self, classifier: Loaded[Classifier]) -> None:
        """Refuse a vote that reads other neighbours than those that are cached."""
        wants = NeighbourWants.of([classifier.component])
        wanted = {
            "neighbours of each class": wants.per_class > 0, "trust in labels": wants.trust,
            "prototypes of each class": wants.prototypes,
        }  # fmt: skip
        kept: Mapping[str, Any] = self._head.settings["neighbours"]
        for words, needed in wanted.items():
            cached = kept.get(words, 0)
            if needed and cached != needed:
                todo = "set it for the whole run (--set), with a new --out, instead of in the grid"
                with_them = f"with {cached}" if cached else "without"
                expected = f"a vote by the neighbours that are cached, {with_them} {words}"
                raise ConfigError(expected, classifier.name, todo)


def groups_of(trials: Sequence[Trial]) -> Iterator[list[int]]:
    """Yield the places of trials that share k and classifiers."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, trial in enumerate(trials):
        groups.setdefault((trial.k, trial.classifiers), []).append(place)
    yield from groups.values()


def _with_k(searched: Searched, k: int) -> Searched:
    every = side_by_side(searched.voters, searched.beyond)
    voters, beyond = parted(every, k, searched.per_class)
    return replace(searched, voters=voters, beyond=beyond, k=k)
