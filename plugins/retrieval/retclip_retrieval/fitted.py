"""`retrieval.fitted`: a linear layer for one photo, taught by the segments that its masks retrieve and by the names."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import torch

from retclip.algorithms.image_fusion import ImageFusion, class_texts, fused_scores, image_fusion, without_each
from retclip.algorithms.negative_examples import barred_voters
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_retrieval import FittedSettings

NAME = "retrieval.fitted"


class Fitted:
    """A classifier that fits a layer to each photo (`retclip.algorithms.image_fusion`)."""

    role = Role.RETRIEVAL
    reads_vectors, masks_together = True, True

    def __init__(self, settings: FittedSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.settings = settings

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,
    ) -> ClassScores:
        """Return (n, c) probabilities; a class that is stored and was not retrieved is told by its text alone.

        `knows` is `neighbours.supported`, and a mask without a neighbour abstains, as in the vote.

        A neighbour that negative examples bar does not teach. A mask that covers no cell of the feature grid has no
        vector; its row is zero. Raises ConfigError without neighbours, their vectors or the names' text, and where
        these are of another length than the masks' vectors.
        """
        if neighbours is None or neighbours.vectors is None:
            todo = "open a store, leave the cached scores as they are, or drop the classifier"
            raise ConfigError(f"neighbours with their vectors for classifier '{NAME}'", "none", todo)
        vectors, text = segments.vectors, self._text(vocabulary, segments)
        taught = self._taught_by(neighbours, len(vocabulary))
        retrieved, classes = self._rows(neighbours, taught)
        if retrieved.shape[1] != vectors.shape[1] and len(retrieved):
            todo = "leave components.keys empty, or drop the classifier"
            raise ConfigError(f"stored vectors of the space of the names for '{NAME}'", "those of other keys", todo)
        retrieved = retrieved.to(vectors) if len(retrieved) else vectors.new_zeros(0, vectors.shape[1])
        fitted = image_fusion(retrieved, classes.to(vectors.device), text, self.settings.ridge)
        values = fused_scores(fitted, vectors, self.settings.temperature)  # (n, c)
        values = torch.where(segments.covered[:, None], values, torch.zeros_like(values))
        effects = self._effects(fitted, values, segments, neighbours, list(taught))
        speaks = segments.covered & (neighbours.classes >= 0).any(dim=1).to(segments.covered.device)  # (n,)
        knows = neighbours.supported.to(values.device)
        return ClassScores(values, knows, self.role, classifier=NAME, speaks=speaks, effects=effects)

    def _effects(
        self, fitted: ImageFusion, values: Tensor, segments: SegmentFeatures, neighbours: Neighbours, order: list[UUID]
    ) -> Tensor:
        """Return (n, k) what the score of each neighbour's class loses without it.

        values: (n, c) the scores; order: of the fitted rows.
        """
        effects, row_of = torch.zeros_like(neighbours.distances), {segment: row for row, segment in enumerate(order)}
        for n in segments.covered.nonzero()[:, 0].tolist():
            places = [(k, row_of[segment]) for k, segment in enumerate(neighbours.ids[n]) if segment in row_of]
            if not places:
                continue
            columns, rows = torch.tensor(places, device=fitted.rows.device).T  # (r,), (r,)
            vector, labels = segments.vectors[n], neighbours.classes[n].to(fitted.rows.device)[columns][:, None]
            left = torch.softmax(without_each(fitted, vector, rows) / self.settings.temperature, dim=1)  # (r, c)
            own = values[n][labels[:, 0].clamp(min=0)]  # (r,)
            change = own - left.gather(1, labels.clamp(min=0))[:, 0].to(own)
            effects[n, columns.to(effects.device)] = change.clamp(-1.0, 1.0).to(effects)
        return effects

    def _taught_by(self, neighbours: Neighbours, count: int) -> dict[UUID, int]:
        """Return the class of each segment that teaches, in the order of their ids."""
        classes = neighbours.classes
        if neighbours.negatives is not None:
            classes = classes.masked_fill(barred_voters(neighbours), -1)  # (n, k)
        width = self.settings.nearest
        ids, labels = neighbours.ids[:, :width].ravel().tolist(), classes[:, :width].flatten().tolist()
        vectors = neighbours.vectors or {}
        taught: dict[UUID, int] = {
            segment: label
            for segment, label in zip(ids, labels, strict=True)
            if segment in vectors and 0 <= label < count
        }
        return dict(sorted(taught.items()))

    @staticmethod
    def _rows(neighbours: Neighbours, taught: dict[UUID, int]) -> tuple[Tensor, Tensor]:
        """Return the vectors (s, d) and classes (s,) of segments."""
        vectors = neighbours.vectors or {}
        table = np.stack([vectors[segment] for segment in taught]) if taught else np.zeros((0, 1), dtype=np.float32)
        return torch.from_numpy(table), torch.tensor(list(taught.values()), dtype=torch.int64)

    def _text(self, vocabulary: Vocabulary, segments: SegmentFeatures) -> Tensor:
        """Return (c, d) a unit vector of each class, the mean of its terms."""
        if vocabulary.text is None:
            todo = "choose a backbone with a text tower, or drop the classifier"
            raise ConfigError(f"text vectors for classifier '{NAME}'", f"none of {segments.space.backbone}", todo)
        rows = torch.as_tensor(vocabulary.row_class, device=segments.vectors.device)
        return class_texts(vocabulary.text.to(segments.vectors), rows, len(vocabulary))
