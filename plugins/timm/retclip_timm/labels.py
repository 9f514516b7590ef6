"""`timm.labels`: class names by the labels that the network itself was trained on, ImageNet's 1,000 classes.

    z    = (1 - a) z_mask + a z_photo                     logits of the mask, and of the whole photo
    p    = softmax(z / T) over all 1,000
    s_c  = sum of p over the classes that the name c stands for
    v    = r o / (r o + sum of s)                         o: the sum of p over all that no asked name stands for

so that a mask gets the name c only where s_c > r o: of a sky, which is none of the 1,000, the network says a little of
many things, and whoever asks for espresso is told nothing instead. a, T and r were chosen on training photos alone
(plugins/timm/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from retclip.errors import ConfigError
from retclip.types import ClassScores, Role
from retclip_timm.class_names import CLASSES, LIST, NamedClasses, classes_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from retclip.types import Device, LabelLogits, MaskProposals, Neighbours, SegmentFeatures, Vocabulary
    from retclip_timm import LabelsSettings

NAME = "timm.labels"
NONE_OF_THEM = "none of ImageNet's 1,000 classes is called so"


class Labels:
    """A classifier that adds up what the network says of its own labels."""

    role = Role.CLIP  # as text does, it says what a name looks like without any stored segment

    def __init__(self, settings: LabelsSettings, device: Device) -> None:  # noqa: ARG002  runs where its inputs are
        self.settings = settings

    def score(
        self,
        proposals: MaskProposals,  # noqa: ARG002
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,  # noqa: ARG002
    ) -> ClassScores:
        """Return (n, c) probabilities among the 1,000, and of "none of these".

        `knows` is False for a class none of whose terms stands for any of the 1,000. A mask that covers no cell of the
        feature grid has no logits: it is not spoken of. Raises ConfigError without logits.
        """
        logits = segments.label_logits
        if logits is None or logits.labels != LIST:
            got = f"none of {segments.space.backbone}" if logits is None else f"those of {logits.labels}"
            todo = "use it together with --backbone timm.lite0, or leave the classifier out"
            raise ConfigError(f"logits of ImageNet's classes for {NAME}", got, todo)
        of_terms = terms_membership(vocabulary.terms)  # (r, l)
        members = of_classes(of_terms, vocabulary).to(logits.segments.device)  # (c, l)
        shares = self._shares(logits)  # (n, l)
        values = (shares @ members.T).clamp(0.0, 1.0)  # (n, c)
        if vocabulary.has_rest:  # each of its terms is a class of its own: the best of them, not all of them together
            of_rest = of_terms[-len(vocabulary.synonyms[-1]) :].to(shares)  # (t, l)
            values[:, -1] = (shares @ of_rest.T).amax(dim=1).clamp(0.0, 1.0)
        members_of_any = members.amax(0) if len(members) else shares.new_zeros(CLASSES)  # (l,)
        inside = shares @ members_of_any  # (n,)
        outside = self.settings.rest * (1.0 - inside).clamp(min=0.0)  # (n,)
        void = outside / (outside + inside).clamp(min=1e-12)  # (n,)
        covered, knows = segments.covered, members.sum(1) > 0
        values = torch.where(covered[:, None], values, torch.zeros_like(values))
        return ClassScores(values, knows, self.role, void, NAME, speaks=covered)

    def unknown(self, vocabulary: Vocabulary) -> Mapping[str, str]:
        """Return of each class that it abstains for the reason."""
        known = of_classes(terms_membership(vocabulary.terms), vocabulary).sum(1) > 0
        lacking = [name for name, is_known in zip(vocabulary.names, known.tolist(), strict=True) if not is_known]
        return {name: (classes_of(name) or NamedClasses(())).why or NONE_OF_THEM for name in lacking}

    def _shares(self, logits: LabelLogits) -> Float[Tensor, "n l"]:
        share, temperature = self.settings.photo_share, self.settings.temperature
        mixed = (1.0 - share) * logits.segments.float() + share * logits.image.float()  # (n, l)
        return torch.softmax(mixed / temperature, dim=1)


def of_classes(of_terms: Float[Tensor, "r l"], vocabulary: Vocabulary) -> Float[Tensor, "c l"]:
    """Return (c, 1000), 1 where any term of a class stands for one of the 1,000.

    of_terms: (r, 1000), the same of each of its terms.
    """
    rows = torch.from_numpy(vocabulary.row_class)[:, None].expand(-1, CLASSES)  # (r, l)
    return torch.zeros(len(vocabulary), CLASSES).scatter_reduce(0, rows, of_terms, reduce="amax")


def terms_membership(terms: Sequence[str]) -> Float[Tensor, "r l"]:
    """Return (r, 1000), 1 where a term stands for one of the 1,000."""
    members = torch.zeros(len(terms), CLASSES)
    for row, term in enumerate(terms):
        known = classes_of(term)
        if known is not None and known.classes:
            members[row, list(known.classes)] = 1.0
    return members
