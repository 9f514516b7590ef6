"""The retrieval term of the ensemble, s_ret (paper, section 2.2): neighbours in, class scores out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from retclip.algorithms.best_of_rest import best_of_rest, of_speaker, rest_apart, speaker_of_rest
from retclip.algorithms.negative_examples import barred_voters
from retclip.algorithms.retrieval_scores import retrieval_scores, trust_weights, voting
from retclip.algorithms.vote_certainty import vote_certainty
from retclip.algorithms.vote_shares import vote_rule, vote_shares
from retclip.algorithms.vote_shrinkage import vote_shrinkage
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_retrieval import VoteSettings

NAME = "retrieval.vote"


class Vote:
    """A classifier that scores classes by the neighbours from the feature store alone."""

    role = Role.RETRIEVAL

    def __init__(self, settings: VoteSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.settings = settings

    @property
    def neighbours_per_class(self) -> int:
        """How many neighbours of each class it reads; 0 = it reads the k nearest of all classes together."""
        return self.settings.per_class_best

    @property
    def reads_trust(self) -> bool:
        """Whether its neighbours are to come with the trust in their labels."""
        return self.settings.trust != "none"

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,  # noqa: ARG002  neighbours carry the numbers of its classes
        neighbours: Neighbours | None,
    ) -> ClassScores:
        """Return (n, c) votes in [0, 1] of the stored segments nearest to each of n masks, for c classes.

        `knows` is `neighbours.supported`, the classes that the store has. A mask that covers no cell of the feature
        grid has no vector; its row is zero. `shares` (n, k) is each neighbour's contribution, `rule` the vote in words,
        `certainty` (n,) by the nearest neighbour's distance where `certainty_distance` is set, `shrinkage` (n, c) where
        `pseudo_neighbours` or `agreement` is.
        Raises ConfigError without neighbours.
        """
        if neighbours is None:
            raise ConfigError(
                f"neighbours for classifier '{NAME}'", "no search in a feature store", "open a store, or drop it"
            )
        return self.vote(neighbours, segments.covered)

    def vote(self, neighbours: Neighbours, covered: Tensor) -> ClassScores:
        """Return what `score` returns for masks with these neighbours.

        covered: (n,) bool, False where a mask covers no cell of the feature grid.
        """
        rule = self.settings.model_dump(include={"vote", "aggregate", "temperature", "max_distance"})
        rule["aggregate"] = self.settings.per_class_best or self.settings.aggregate
        classes, distances = self._trusted_classes(neighbours), neighbours.distances
        if neighbours.negatives is not None:
            classes = classes.masked_fill(barred_voters(neighbours), -1)  # (n, k)
        if neighbours.of_rest is not None:
            classes = rest_apart(classes, neighbours.of_rest, len(neighbours.supported))
        values, shares, speaker = self._values(neighbours, classes, rule)  # (n, c), (n, k), (n,)
        covered = covered.to(values.device)
        values, shares = (
            torch.where(covered[:, None], tensor, torch.zeros_like(tensor)) for tensor in (values, shares)
        )
        in_reach = voting(classes, distances, self.settings.max_distance)  # (n, k)
        speaks = in_reach.any(dim=1) & covered  # (n,); without a neighbour in reach the vote abstains
        midpoint, width = self.settings.certainty_distance, self.settings.certainty_width
        certainty = None if midpoint is None else vote_certainty(distances, in_reach, midpoint, width)  # (n,)
        shrinkage = self._shrinkage(classes, in_reach & covered[:, None], speaker, values.shape[1])  # (n, c)
        supported = neighbours.supported.to(values.device)
        return ClassScores(
            values,
            supported,
            self.role,
            classifier=NAME,
            speaks=speaks,
            shares=shares,
            rule=vote_rule(**rule, trusted=self._trust_in_words(), rest=neighbours.of_rest is not None),
            certainty=certainty,
            shrinkage=shrinkage,
        )

    def _values(
        self, neighbours: Neighbours, classes: Tensor, rule: dict[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the scores (n, c), each neighbour's share (n, k), and the class (n,) that speaks for the rest, None
        without one. classes: (n, k) of those that may vote, of the rest each for itself."""
        count, distances, weights = len(neighbours.supported), neighbours.distances, self._weights(neighbours)
        every = _highest(classes, count)
        values = retrieval_scores(classes, distances, every, weights=weights, **rule)  # (n, every)
        shares = vote_shares(classes, distances, weights=weights, **rule)  # (n, k)
        shares = shares.masked_fill(classes == count, 0.0)  # classes that were not asked
        if neighbours.of_rest is None:
            return values[:, :count], shares, None
        return *best_of_rest(values, shares, classes, count), speaker_of_rest(values, count)

    def _shrinkage(self, classes: Tensor, voters: Tensor, speaker: Tensor | None, count: int) -> Tensor | None:
        """Return what is left of the vote's weight (n, c), None where all is.

        classes: (n, k), of the rest each for itself.
        voters: (n, k) which of them vote.
        speaker: (n,) the class that speaks for the rest, None without one.
        count: c.
        """
        pseudo, agreement = self.settings.pseudo_neighbours, self.settings.agreement
        if not (pseudo or agreement):
            return None
        if speaker is None:
            return vote_shrinkage(classes, voters, count, pseudo, agreement)
        asked, every = classes != count, max(count + 1, _highest(classes, count))
        return of_speaker(vote_shrinkage(classes, voters & asked, every, pseudo, agreement), speaker, count)

    def _trusted_classes(self, neighbours: Neighbours) -> Tensor:
        """Return the classes (n, k) of the neighbours that may vote, -1 elsewhere."""
        if self.settings.trust != "filter" or neighbours.trust is None:
            return neighbours.classes
        return neighbours.classes.masked_fill(neighbours.trust < self.settings.least_trust, -1)  # NaN is never less

    def _weights(self, neighbours: Neighbours) -> Tensor | None:
        if self.settings.trust != "weight" or neighbours.trust is None:
            return None
        return trust_weights(neighbours.trust, self.settings.least_trust)

    def _trust_in_words(self) -> str:
        least = f"{self.settings.least_trust:g}"
        return {
            "none": "",
            "weight": f"less where its label is trusted less than {least}, by the square of the odds of both",
            "filter": f"none whose label is trusted less than {least}",
        }[self.settings.trust]


def _highest(classes: Tensor, count: int) -> int:
    """Return how many numbers classes (n, k) have: c, or c + 1 and those of the rest."""
    return max(count, int(classes.max()) + 1) if classes.numel() else count
