"""An evaluated image, as a walk over a source gives it to whoever shows pictures."""

from __future__ import annotations

from dataclasses import dataclass

from retclip.types import Image, PanopticSegmentation


@dataclass(frozen=True, eq=False)
class Judged:
    """One evaluated image.

    number: its position in the source, from 0, of `total`.
    predicted: its panoptic map.
    accuracy: share of its labelled pixels with the right class, [0, 1], None where none is labelled.
    """

    number: int
    total: int
    name: str
    image: Image
    predicted: PanopticSegmentation
    accuracy: float | None
