"""The retrieval term of the ensemble, s_ret (paper, section 2.2): neighbours in, class scores out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from retclip.algorithms.retrieval_scores import retrieval_scores
from retclip.algorithms.vote_shares import vote_rule, vote_shares
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

if TYPE_CHECKING:
    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_retrieval import VoteSettings

NAME = "retrieval.vote"


class Vote:
    """A classifier that listens to the neighbours that the feature store found, and to nothing else."""

    role = Role.RETRIEVAL

    def __init__(self, settings: VoteSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.settings = settings

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,
    ) -> ClassScores:
        """(n, c) votes in [0, 1] of the stored segments nearest to each of n masks, for c classes.

        `knows` is the store's own answer, `neighbours.supported`. A mask that covered no cell of the feature grid has
        no vector, so its row is zero whatever the neighbours say. `shares` says what each neighbour gave, `rule` how.
        Raises ConfigError without neighbours.
        """
        if neighbours is None:
            raise ConfigError(
                f"neighbours for classifier '{NAME}'", "no search in a feature store", "open a store, or drop it"
            )
        rule = self.settings.model_dump()
        classes, distances = neighbours.classes, neighbours.distances
        values = retrieval_scores(classes, distances, len(vocabulary), **rule)  # (n, c)
        shares = vote_shares(classes, distances, **rule)  # (n, k)
        covered = segments.covered.to(values.device)
        values, shares = (torch.where(covered[:, None], one, torch.zeros_like(one)) for one in (values, shares))
        near = torch.isfinite(distances) & (classes >= 0)
        if self.settings.max_distance is not None:
            near = near & (distances <= self.settings.max_distance)
        speaks = near.any(dim=1) & covered  # nothing in reach is no vote against the classes that the store holds
        supported = neighbours.supported.to(values.device)
        return ClassScores(
            values, supported, self.role, classifier=NAME, speaks=speaks, shares=shares, rule=vote_rule(**rule)
        )
