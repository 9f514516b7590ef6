"""The label assigner of a build: a mask without a class gets one that its image is labelled with, or is left out.

It serves sources with labels of images but without masks, and class-agnostic proposers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch

from retclip.algorithms.assigned_labels import assigned_labels, mask_nms
from retclip.errors import ConfigError
from retclip.names import name_key
from retclip.types import DenseFeatures, Image, MaskProposals, SegmentFeatures, Vocabulary
from retclip.workflows.segment.describe_image import text_of, vectors_of
from retclip.workflows.segment.parts import Models

if TYPE_CHECKING:
    from torch import Tensor


class LabelAssignment:
    """The label assigner of one build.

    names: every class to build.
    stored: the store's classes, with which masks are compared too.
    needed: whether the proposer has returned masks without a class; then its vocabulary is all names, with text.
    """

    def __init__(
        self, models: Models, names: Sequence[str], is_thing: Mapping[str, bool | None], stored: Sequence[str] = ()
    ) -> None:
        self.models, self.names, self.is_thing, self.stored = models, tuple(names), is_thing, tuple(stored)
        self.needed = False
        self._everything: Vocabulary | None = None

    def vocabulary(self, present: Sequence[str]) -> Vocabulary:
        """Return the proposer's vocabulary: the classes present for a class-aware one, every name with text for
        another.
        """
        return self.everything() if self.needed else self._of(present)

    def everything(self) -> Vocabulary:
        """Return every name that a mask can get, with text.

        Raises ConfigError for a backbone without a text tower, as this concerns every image.
        """
        if self._everything is None:
            names = {name_key(name): name for name in (*self.stored, *self.names)}  # the build's own spelling wins
            vocabulary, backbone = self._of(tuple(names.values())), self.models.backbone
            text = text_of(backbone, vocabulary.terms)
            if text is None:
                raise ConfigError(
                    "a proposer that says which class each mask shows, an annotation, or a backbone with text that can",
                    f"masks without a name from {self.models.proposer.name}, no text tower in {backbone.name}",
                    "build with annotated masks (--proposer reference.ground_truth), from annotated photos, with a "
                    "prompted proposer, or another backbone; a class from photos of it: --proposer "
                    "reference.whole_image",
                )
            self._everything = replace(vocabulary, text=text)
        return self._everything

    def assigned(
        self, image: Image, proposals: MaskProposals, features: DenseFeatures, present: Sequence[str]
    ) -> tuple[MaskProposals, SegmentFeatures, list[float]]:
        """Return the labelled masks, best first, their vectors, and the confidence of each label (`build.assign_*`).

        present: classes that the image is labelled with.
        """
        settings, vocabulary = self.models.settings.build, self.everything()
        present_names = {name_key(name): name for name in present}
        is_present = torch.tensor([name_key(name) in present_names for name in vocabulary.names])  # (c,)
        segments = vectors_of(self.models, image, features, proposals)
        rows = torch.as_tensor(vocabulary.row_class).to(segments.vectors.device)  # (r,)
        labels, probability = assigned_labels(  # (n,), (n,)
            segments.vectors.float(), cast("Tensor", vocabulary.text).float(), rows, is_present, settings.assign_scale,
            settings.assign_absent,
        )  # fmt: skip
        confidence = (probability * proposals.objectness.to(probability)).cpu()  # (n,)
        confident = (segments.covered.cpu() & (confidence >= settings.assign_confidence)).nonzero()[:, 0]
        keep = confident[mask_nms(proposals.masks.cpu()[confident], confidence[confident], settings.assign_overlap)]
        keep = keep[: settings.max_segments]  # (m,) best first
        names = tuple(present_names[name_key(vocabulary.names[int(labels[n])])] for n in keep)
        at = keep.to(segments.vectors.device)
        kept_segments = replace(segments, vectors=segments.vectors[at], covered=segments.covered[at])
        return proposals.picked(keep).replaced(prompts=names), kept_segments, confidence[keep].tolist()

    def _of(self, names: Sequence[str]) -> Vocabulary:
        return Vocabulary(tuple(names), tuple(self.is_thing.get(name, True) for name in names))
