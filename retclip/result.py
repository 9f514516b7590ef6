"""What `RetCLIP.segment` returns: a frozen result that can be looked at, saved and asked for its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retclip.evidence import Evidence
from retclip.types import Image, PanopticSegmentation, SegmentInfo

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.workflows.explain import Explanation


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """label_map: (H, W) int32 at the image's size, 0 = void. segments: one per id in the map."""

    image: Image
    label_map: NDArray[np.int32]
    segments: tuple[SegmentInfo, ...]
    evidence: Evidence
    store: FeatureStore
    mask_map: NDArray[np.int32] | None = None  # the mask proposal that each pixel came from, -1 = void

    @property
    def panoptic(self) -> PanopticSegmentation:
        """Label map and segments as one record."""
        return PanopticSegmentation(self.label_map, self.segments, self.mask_map)

    def overlay(self) -> NDArray[np.uint8]:
        """The photo with coloured, named segments: (H, W, 3) uint8 RGB, with a legend below."""
        from retclip.report.overlay import overlay

        return overlay(self.image.pixels, self.panoptic)

    def explain(self, segment: SegmentInfo | int) -> Explanation:
        """Why a segment got its label: its neighbours in the store and the scores per source, of its largest mask."""
        from retclip.workflows.explain import explain

        chosen = segment if isinstance(segment, int) else segment.id
        return explain(self.store, self.panoptic, self.evidence, chosen)

    def explain_at(self, x: int, y: int) -> Explanation:
        """Why a pixel got its label: the same of the mask that lies there. x, y: image pixels from the upper left."""
        from retclip.workflows.explain import explain, segment_at

        return explain(self.store, self.panoptic, self.evidence, *segment_at(self.panoptic, x, y))

    def save(self, folder: str | Path, name: str | None = None) -> Path:
        """Write panoptic PNG + COCO JSON, overlay and evidence under `folder`; returns it."""
        from retclip.report.result_writer import ResultWriter

        with ResultWriter(Path(folder), self.evidence.vocabulary) as writer:
            writer.add(self, name or Path(self.image.uri).stem or self.image.sha256[:12])
        return Path(folder)
