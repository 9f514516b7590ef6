"""What a proposer promises that can be fine-tuned. `Component.trainable` makes one; `workflows.finetune` trains it."""

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
    """What one training image shows. masks: (m, H, W) bool on the image's pixels, a thing each, stuff once a class;
    void and crowds are in none. classes: (m,) int64 index into the training vocabulary."""

    masks: Tensor
    classes: Tensor


class Trainable(Protocol):
    """The learnable half of a proposer while it is fine-tuned over a frozen backbone (figure 2 of the paper, green
    path): a `torch.nn.Module` in training mode, so that accelerate can wrap it; calling it gives the losses."""

    def __call__(
        self,
        features: Sequence[DenseFeatures],
        targets: Sequence[MaskTargets],
        vocabulary: Vocabulary,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The losses of a batch by name, scalars, already weighted: their sum is what is minimised. All images of a
        batch have features of one size. vocabulary: the training classes, with text. generator: on the CPU; every
        random number comes from it, so that a step is a function of weights, batch and seed."""

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Its learnable tensors as AdamW takes them: those that must not decay with weight_decay 0."""

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor that a checkpoint needs."""

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Any:
        """The tensors of `state_dict` again."""

    def proposer(self) -> MaskProposer:
        """A proposer that shares these weights, for validation between steps."""

    def classifier(self, trained_on: Sequence[str]) -> Classifier | None:
        """An in-vocabulary classifier that shares these weights; None where the method has none."""

    def save(self, path: Path, trained_on: Sequence[str]) -> None:
        """Write what `Component.load` reads again, with the terms it was fine-tuned on (C_train) inside."""
