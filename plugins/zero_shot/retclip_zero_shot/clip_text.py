"""The zero-shot term of the ensemble, s_clip (paper, section 2.2; method.md 1.4 and 1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from retclip.algorithms.text_scores import text_scores
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

if TYPE_CHECKING:
    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_zero_shot import ClipTextSettings

NAME = "zero_shot.clip_text"


class ClipText:
    """A classifier that compares each mask's vector with the names of the classes."""

    role = Role.CLIP

    def __init__(self, settings: ClipTextSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.scale = settings.scale

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,  # noqa: ARG002
    ) -> ClassScores:
        """Return (n, c) probabilities: softmax over classes of scale * (the best cosine over the class's terms).

        Every class of the vocabulary has a text row, so `knows` is True throughout. A mask that covers no cell of the
        feature grid has no vector; its row is zero. Raises ConfigError where the vocabulary has no text.
        """
        if vocabulary.text is None:
            raise ConfigError(
                f"text vectors of the class names for classifier '{NAME}'",
                f"none: backbone '{segments.space.backbone}' has no text tower",
                "choose a backbone with one (`retclip plugins list`), or drop the classifier",
            )
        vectors = segments.vectors
        row_class = torch.as_tensor(vocabulary.row_class, device=vectors.device)  # (r,)
        text = vocabulary.text.to(vectors)  # (r, d)
        values = text_scores(vectors, text, row_class, len(vocabulary), self.scale)  # (n, c)
        values = torch.where(segments.covered[:, None], values, torch.zeros_like(values))  # (n, c)
        knows = torch.ones(len(vocabulary), dtype=torch.bool, device=values.device)
        return ClassScores(values, knows, self.role, classifier=NAME)
