"""`mask2former.in_vocabulary`: the in-vocabulary term of the ensemble, s_iv, and the probability of "no object"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from retclip.errors import ConfigError
from retclip.home import expanded
from retclip.types import ClassScores, Role
from retclip_mask2former.checkpoint import load_void
from retclip_mask2former.head import clamped, class_logits

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.types import Device, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_mask2former import InVocabularySettings

NAME = "mask2former.in_vocabulary"
BUILT_IN = {"coco-panoptic": Path(__file__).with_name("coco_panoptic.txt")}


class InVocabulary:
    """A classifier that compares the embeddings of the mask queries with the class names (method.md 1.5, 1.6)."""

    role = Role.IN_VOCABULARY

    def __init__(
        self, void: Tensor, log_scale: Tensor, trained_on: Sequence[str], device: Device, temperature: float = 1.0
    ) -> None:
        """void: (1, d), the vector of "no object". log_scale: the logarithm of the factor on the cosines.

        temperature: divides the logits of the classes, above 0.
        """
        self.void = void.to(device.torch_device)
        self.scale = clamped(log_scale).to(device.torch_device)
        self.trained_on, self.temperature = tuple(trained_on), temperature

    @classmethod
    def loaded(cls, settings: InVocabularySettings, device: Device) -> InVocabulary:
        """Return the classifier of the head that the settings name. Raises WeightsMissing, ConfigError, DataError."""
        void, log_scale, trained_on = load_void(settings)
        return cls(void, log_scale, trained_on or read_terms(settings.trained_on), device, settings.temperature)

    def score(
        self,
        proposals: MaskProposals,
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,  # noqa: ARG002
    ) -> ClassScores:
        """Return values (n, c), the softmax over the classes at the temperature, and void (n,), the probability of "no
        object" among all at temperature 1.

        Every class is known. Raises ConfigError where the proposals have no embeddings, or the vocabulary no text.
        """
        if proposals.embeddings is None:
            todo = "use it together with --proposer mask2former.queries, or leave the classifier out"
            raise ConfigError(f"masks with embeddings for {NAME}", "masks without", todo)
        if vocabulary.text is None:
            todo = "choose a backbone with a text tower, or leave the classifier out"
            raise ConfigError(f"text vectors for {NAME}", f"none from {segments.space.backbone}", todo)
        embeddings = proposals.embeddings.to(self.void.device).float()
        if embeddings.shape[1] != vocabulary.text.shape[1]:
            got = f"{embeddings.shape[1]} of the masks, {vocabulary.text.shape[1]} of {segments.space.backbone}"
            raise ConfigError("mask and text vectors of one length", got, "name the head of this backbone: weights")
        rows = torch.as_tensor(vocabulary.row_class)
        classes = len(vocabulary)
        logits = class_logits(embeddings, vocabulary.text, rows, classes, self.void, self.scale)
        values, void = (logits[:, :-1] / self.temperature).softmax(-1), logits.softmax(-1)[:, -1]
        knows = torch.ones(classes, dtype=torch.bool, device=values.device)
        return ClassScores(values, knows, self.role, void, NAME)


def read_terms(vocabulary: str) -> tuple[str, ...]:
    """Return the terms of a fine-tuning vocabulary.

    vocabulary: name of a built-in one, or a file with a class a line, synonyms after commas, '#' before comments.
    Raises ConfigError.
    """
    path = BUILT_IN.get(vocabulary, expanded(vocabulary))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        todo = f"name {' or '.join(BUILT_IN)}, or a text file with a class a line"
        raise ConfigError(f"the classes that the head was fine-tuned on: {vocabulary}", str(error), todo) from error
    terms = (term.strip() for line in lines if not line.startswith("#") for term in line.split(","))
    vocabulary_terms = tuple(dict.fromkeys(term for term in terms if term))
    if not vocabulary_terms:
        raise ConfigError(f"class names in {path}", "none", "write a class a line, synonyms after commas")
    return vocabulary_terms
