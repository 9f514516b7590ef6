"""Which classes of a store are far from their text: that of another class is nearer to what is stored of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.text_ranks import text_ranks
from retclip.errors import NamesTooLong
from retclip.plugin.contracts import Backbone
from retclip.store.feature_store import FeatureStore
from retclip.store.records import StoreClass
from retclip.workflows.segment.describe_image import text_of
from retclip.workflows.segment.parts import Loaded


@dataclass(frozen=True)
class TextPlace:
    """Which place the text of a class takes among those of all classes, seen from the class's segments.

    rank: from 1, its own is the nearest (`algorithms.text_ranks`).
    classes: that were compared.
    nearest: the class whose text is nearest.
    """

    rank: int
    classes: int
    nearest: str

    @property
    def far(self) -> bool:
        """Whether the text of another class is nearer."""
        return self.rank > 1

    def reason(self) -> str:
        """Say in words that the class is far from its text."""
        return f"far from its text: {self.nearest}'s is nearest, its own is number {self.rank} of {self.classes}"


def text_places(store: FeatureStore, backbone: Loaded[Backbone]) -> tuple[dict[int, TextPlace], tuple[str, ...]]:
    """Return the place of each class's text by the class's row, and what was not compared, in words.

    backbone: with a text tower; of the store's vectors those in its space are compared.
    Raises StoreMissing, SpaceMismatch, StoreDamaged, PluginFailed, ContractBroken.
    """
    segments = store.trust.segments(backbone.component.space)
    with_vectors = set(segments.categories.tolist())
    rows, text, too_long = _read(backbone, [row for row in store.classes.all() if row.id in with_vectors])
    notes = (f"not compared with their texts, too long for {backbone.name}: {', '.join(too_long)}",) if too_long else ()
    if text is None or len(rows) < 2:
        return {}, notes
    numbers = {row.id: number for number, row in enumerate(rows)}
    chosen = np.isin(segments.categories, list(numbers))
    labels = torch.tensor([numbers[category] for category in segments.categories[chosen].tolist()])
    row_class = torch.tensor([numbers[row.id] for row in rows for _ in _terms(row)])
    ranks, nearest = text_ranks(torch.from_numpy(segments.vectors[chosen]), labels, text.cpu(), row_class)
    places = {
        row.id: TextPlace(rank, len(rows), rows[place].name)
        for row, rank, place in zip(rows, ranks.tolist(), nearest.tolist(), strict=True)
    }
    return places, notes


def _terms(row: StoreClass) -> tuple[str, ...]:
    return (row.name, *row.aliases)


def _read(backbone: Loaded[Backbone], rows: list[StoreClass]) -> tuple[list[StoreClass], Tensor | None, list[str]]:
    """Return the classes whose terms the backbone reads whole, a unit vector per term, and the names of the others."""
    try:
        return rows, text_of(backbone, [term for row in rows for term in _terms(row)]), []
    except NamesTooLong as error:
        long = set(error.names)
    readable = [row for row in rows if not long & set(_terms(row))]
    text = text_of(backbone, [term for row in readable for term in _terms(row)]) if readable else None
    return readable, text, [row.name for row in rows if row not in readable]
