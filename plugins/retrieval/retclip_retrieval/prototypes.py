"""`retrieval.prototypes`: how near a mask is to what stands for all stored segments of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from retclip.algorithms.prototypes import prototype_scores
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

if TYPE_CHECKING:
    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_retrieval import PrototypesSettings

NAME = "retrieval.prototypes"


class Prototypes:
    """A classifier that compares masks with the prototypes of the stored classes (`retclip.algorithms.prototypes`)."""

    role = Role.RETRIEVAL

    def __init__(self, settings: PrototypesSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.settings = settings

    @property
    def prototypes_per_class(self) -> int:
        """How many prototypes of each class it reads; 1 = the mean."""
        return self.settings.per_class

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,
    ) -> ClassScores:
        """Return (n, c) probabilities, over the classes with a prototype.

        `knows` is False for a class without one. A mask that covers no cell of the feature grid has no vector: its row
        is zero, and it abstains for it. Raises ConfigError where prototypes were not asked for, as without a store.
        """
        if neighbours is None or neighbours.prototypes is None:
            todo = "open a store, or drop the classifier"
            raise ConfigError(f"prototypes of stored classes for classifier '{NAME}'", "none", todo)
        found, count = neighbours.prototypes, len(vocabulary)
        values = prototype_scores(found.distances, found.classes, count, self.settings.temperature)  # (n, c)
        covered = segments.covered.to(values.device)
        values = torch.where(covered[:, None], values, torch.zeros_like(values))
        shown = torch.bincount(found.classes, minlength=count) > 0  # (c,)
        speaks = covered & shown.any()
        return ClassScores(values, shown.to(values.device), self.role, classifier=NAME, speaks=speaks)
