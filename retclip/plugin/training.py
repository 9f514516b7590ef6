"""The contract of a proposer that can be fine-tuned. `Component.trainable` makes one; `workflows.finetune` trains
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from retclip.types import DenseFeatures, Vocabulary

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from retclip.plugin.contracts import Classifier, MaskProposer

RANDOM = "random"  # the name of weights to start from where there are none


@dataclass(frozen=True, eq=False)
class MaskTargets:
    """The annotated masks of one training image; void and crowd regions are in none.

    masks: (m, H, W) bool on image pixels, one per thing, one per stuff class.
    classes: (m,) int64 index into the training vocabulary.
    """

    masks: Tensor
    classes: Tensor


class Trainable(Protocol):
    """The trainable part of a proposer over a frozen backbone (figure 2 of the paper, green path).

    It is a `torch.nn.Module` in training mode, so that accelerate can wrap it; calling it returns the losses.
    """

    def __call__(
        self,
        features: Sequence[DenseFeatures],
        targets: Sequence[MaskTargets],
        vocabulary: Vocabulary,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Return the losses of a batch by name, scalars, already weighted: their sum is minimised.

        features: of images of one size.
        vocabulary: the training classes, with text.
        generator: on the CPU; the source of every random number, so that a step is a function of weights, batch and
        seed.
        """

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return the trainable tensors as AdamW takes them, those without weight decay with weight_decay 0."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return every tensor that a checkpoint needs."""

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Any:
        """Restore the tensors of `state_dict`."""

    def proposer(self) -> MaskProposer:
        """Return a proposer that shares these weights, for validation between steps."""

    def classifier(self, trained_on: Sequence[str]) -> Classifier | None:
        """Return an in-vocabulary classifier that shares these weights; None where the method has none."""

    def save(self, path: Path, trained_on: Sequence[str]) -> None:
        """Write weights that `Component.load` reads, with the terms they were fine-tuned on (C_train) inside."""
