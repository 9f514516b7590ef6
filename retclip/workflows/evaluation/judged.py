"""An evaluated image, as a walk over a source gives it to whoever shows pictures."""

from __future__ import annotations

from dataclasses import dataclass

from retclip.evidence import Evidence
from retclip.types import Image, PanopticSegmentation


@dataclass(frozen=True, eq=False)
class Judged:
    """One evaluated image.

    number: its position in the source, from 0, of `total`.
    predicted: its panoptic map.
    accuracy: share of its labelled pixels with the right class, [0, 1], None where none is labelled.
    quality: the panoptic quality of its segments, all classes together, [0, 1].
    evidence: why each mask has its label; None for predictions from a file.
    """

    number: int
    total: int
    name: str
    image: Image
    predicted: PanopticSegmentation
    accuracy: float | None
    quality: float = 1.0
    evidence: Evidence | None = None
