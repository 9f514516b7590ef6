"""`reference.whole_image`: a photo as one segment, for adding a class from pictures that show nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from retclip.types import DenseFeatures, Image, MaskProposals, Vocabulary

if TYPE_CHECKING:
    from retclip.types import Device


class WholeImage:
    """A proposer of one mask."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """One mask (1, 1, 1) of ones per image, objectness 1. Its prompt is the class where only one is asked for;
        of several, nobody can say which one a whole photo shows."""
        prompts = (vocabulary.names[0] if len(vocabulary) == 1 else None,)
        ones = torch.ones(1, 1, 1, device=self.device.torch_device)
        return [MaskProposals(ones, ones[0, 0], image.size, prompts=prompts) for image in images]
