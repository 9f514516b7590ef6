"""The masks of a photo: one tensor, logits in a network's frame, or one map where no two masks overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch takes seconds to import, and listing plugins or printing help must not wait for it
    import torch
    from torch import Tensor

NOBODY = -1  # the owner of a cell that no mask covers


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """Masks before the sigmoid in a network's padded input, its frame: there, logits and probabilities interpolate to
    different masks.

    values: (n, y, x) float over the whole frame.
    frame: (H, W) of the network's input in its pixels.
    inner: (h, w), the part of the frame that is photo; the rest, right and below, is padding.
    """

    values: Tensor
    frame: tuple[int, int]
    inner: tuple[int, int]


@dataclass(frozen=True, eq=False)
class MaskMap:
    """Binary masks that do not overlap, as one map: what is summed over them costs one pass instead of one for each.

    owners: (y, x) int64, the index of the mask that covers each cell, -1 = none.
    count: n, how many masks there are. Of a tree of masks only those without children own cells.

    Worked example: owners ((0, 0, 2)) and count 3 are the masks (1, 1, 0), (0, 0, 0) and (0, 0, 1).
    """

    owners: Tensor
    count: int

    def drawn(self, parents: Tensor | None = None) -> Tensor:
        """Return (n, y, x) float32 of 0 and 1.

        parents: `MaskProposals.parents`; a parent is the sum of its children.
        """
        indices = self.owners.new_tensor(range(self.count))
        masks = (self.owners == indices[:, None, None]).float()  # (n, y, x)
        for node, parent in enumerate(() if parents is None else parents.tolist()):
            if parent != NOBODY:
                masks[parent] += masks[node]
        return masks

    def to(self, device: torch.device) -> MaskMap:
        """Return the map on that device."""
        return MaskMap(self.owners.to(device), self.count)

    def picked(self, chosen: Tensor, parents: Tensor | None = None) -> MaskMap | None:
        """Return the chosen masks, None where two of them overlap. chosen: (m,) int64; parents: as `drawn` takes it."""
        place = self.owners.new_full((self.count + 1,), NOBODY)  # (n + 1,); the last, at NOBODY, is of no mask
        place[chosen] = place.new_tensor(range(len(chosen)))
        disjoint = int((place != NOBODY).sum()) == len(chosen)
        if parents is not None:
            above, places = parents.tolist(), place.tolist()
            for node in reversed(range(self.count)):  # a parent comes after its children: here it has its place
                if above[node] != NOBODY and places[above[node]] != NOBODY:
                    disjoint &= places[node] == NOBODY
                    places[node] = places[above[node]]
            place = place.new_tensor(places)
        return MaskMap(place[self.owners], len(chosen)) if disjoint else None


class _Masks:
    """The field `masks`: what is given may be a map, what is read is a tensor, drawn when somebody first asks."""

    def __get__(self, proposals: MaskProposals | None, _: type | None = None) -> Tensor:
        if proposals is None:
            raise AttributeError("masks")  # so that a dataclass sees no default
        return proposals._drawn

    def __set__(self, proposals: MaskProposals, masks: Tensor | MaskMap) -> None:
        vars(proposals)["_form"] = masks


@dataclass(frozen=True, eq=False)
class MaskProposals:
    """The mask proposals of one image.

    masks: (n, y, x) float in [0, 1], covering the whole image on any grid; or a `MaskMap`, which is read as a tensor
    all the same.
    objectness: (n,) float in [0, 1].
    prompts: per mask the class name it was detected for, or None.
    embeddings: (n, e) the proposer's own embedding of each mask, for an in-vocabulary head.
    logits: the same masks before the sigmoid.
    detector_scores: (n,) float in [0, 1], the detector's score; recorded, while objectness decides.
    mask_scores: (n,) float in [0, 1], the IoU that the mask model predicts; recorded, while objectness decides.
    parents: (n,) int64 of a tree of masks, the index of each one's parent, which comes after it, -1 = none: the masks
    of a parent's children add up to its own, and class scores choose which of them become segments
    (`algorithms.mask_tree`). None = each stands for itself.
    """

    masks: _Masks = _Masks()
    objectness: Tensor  # type: ignore[misc]  # a descriptor is no default
    image_size: tuple[int, int]  # type: ignore[misc]  # (H, W)
    prompts: tuple[str | None, ...] | None = None
    embeddings: Tensor | None = None
    logits: MaskLogits | None = None
    detector_scores: Tensor | None = None
    mask_scores: Tensor | None = None
    parents: Tensor | None = None

    def __len__(self) -> int:
        return self.form.count if isinstance(self.form, MaskMap) else int(self.form.shape[0])

    @property
    def form(self) -> Tensor | MaskMap:
        """The masks as they were given; a map of a tree of masks holds its leaves alone."""
        form: Tensor | MaskMap = vars(self)["_form"]
        return form

    @property
    def flat(self) -> Tensor | MaskMap:
        """The masks, parents of a tree included; as a map where none of them overlap."""
        return self.form if self.parents is None else self.masks

    @property
    def finest(self) -> Tensor | MaskMap | MaskLogits:
        """The masks in the form that upsamples best: logits where there are any."""
        return self.flat if self.logits is None else self.logits

    @property
    def grid(self) -> tuple[int, int]:
        """(y, x) cells of the masks."""
        y, x = (self.form.owners if isinstance(self.form, MaskMap) else self.form).shape[-2:]
        return int(y), int(x)

    @property
    def device(self) -> torch.device:
        """Where the masks lie."""
        return (self.form.owners if isinstance(self.form, MaskMap) else self.form).device

    def replaced(self, **changes: Any) -> MaskProposals:
        """Return the proposals with other fields; `dataclasses.replace` does the same, but draws a map."""
        return replace(self, **{"masks": self.form, **changes})

    def picked(self, chosen: Tensor) -> MaskProposals:
        """Return the proposals with the given indices, no tree any more.

        chosen: (m,) int64, in the order of the result.
        """
        at, prompts, logits = chosen.to(self.device), self.prompts, self.logits
        disjoint = self.form.picked(at, self.parents) if isinstance(self.form, MaskMap) else None
        optional = {name: getattr(self, name) for name in ("embeddings", "detector_scores", "mask_scores")}
        return self.replaced(
            masks=self.masks[at] if disjoint is None else disjoint,
            objectness=self.objectness[at],
            prompts=tuple(prompts[int(n)] for n in chosen) if prompts is not None else None,
            logits=replace(logits, values=logits.values[at]) if logits is not None else None,
            parents=None,
            **{name: values[chosen.to(values.device)] for name, values in optional.items() if values is not None},
        )

    @cached_property
    def _drawn(self) -> Tensor:
        return self.form.drawn(self.parents) if isinstance(self.form, MaskMap) else self.form
