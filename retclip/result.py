"""What `RetCLIP.segment` returns: a frozen result that can be looked at, saved and asked for its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retclip.evidence import Evidence
from retclip.types import Image, PanopticSegmentation, SegmentInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retclip.plugin.contracts import NeighbourVote
    from retclip.report.result_writer import Overlays
    from retclip.store.feature_store import FeatureStore
    from retclip.workflows.explain.explanation import Explanation, Painter
    from retclip.workflows.explain.what_if import Without


@dataclass(frozen=True, eq=False, repr=False)
class SegmentationResult:
    """The result of `RetCLIP.segment`.

    label_map: (H, W) int32 at the image's size, 0 = void.
    segments: one per id in the map.
    mask_map: (H, W) int32, the mask proposal that each pixel comes from, -1 = void.
    voters: the classifiers that vote with neighbours, by name: explanations ask them what would be.
    """

    image: Image
    label_map: NDArray[np.int32]
    segments: tuple[SegmentInfo, ...]
    evidence: Evidence
    store: FeatureStore | None
    mask_map: NDArray[np.int32] | None = None  # the mask proposal that each pixel came from, -1 = void
    voters: Mapping[str, NeighbourVote] = field(default_factory=dict)

    @property
    def panoptic(self) -> PanopticSegmentation:
        """Label map and segments as one record."""
        return PanopticSegmentation(self.label_map, self.segments, self.mask_map)

    def overlay(self, legend: bool = True, alpha: float = 0.4) -> NDArray[np.uint8]:
        """Return the photo with coloured, named segments, (H, W, 3) uint8 RGB.

        legend: below the photo, so that the picture is higher than it.
        alpha: opacity of the colours over the photo's luminance, [0, 1].
        """
        from retclip.report.overlay import overlay

        return overlay(self.image.pixels, self.panoptic, alpha, self.evidence.vocabulary.without_rest.names, legend)

    def explain(self, segment: SegmentInfo | int, without: Without | None = None) -> Explanation:
        """Explain a segment's label by its largest mask: the neighbours in the store and the scores of each classifier.

        without: stored segments, runs or classes; the explanation has the answer as it would be without them.
        Raises DataError for a segment that is not one of this result.
        """
        return self._explained(segment if isinstance(segment, int) else segment.id, None, without)

    def explain_at(self, x: int, y: int, without: Without | None = None) -> Explanation:
        """Explain a pixel's label by the mask at that pixel.

        x, y: image pixels from the upper left.
        without: as `explain` takes it.
        Raises DataError for a pixel that no segment covers.
        """
        from retclip.workflows.explain.explain import segment_at

        return self._explained(*segment_at(self.panoptic, x, y), without)

    def _explained(self, segment_id: int, mask: int | None, without: Without | None) -> Explanation:
        from retclip.workflows.explain.explain import Again, explain
        from retclip.workflows.explain.what_if import Without

        again = Again(self.voters, without or Without())
        return explain(
            self.store,
            self.panoptic,
            self.evidence,
            segment_id,
            mask,
            painter(self.store, self.panoptic, self.image),
            again,
        )

    def save(self, folder: str | Path, name: str | None = None, overlays: Overlays = "both") -> Path:
        """Write panoptic PNG + COCO JSON, overlays and evidence under `folder`, and return it.

        name: of the files; None = the photo's.
        overlays: "none", "plain" (of the photo's size), "legend" or "both".
        """
        from retclip.report.result_writer import ResultWriter

        with ResultWriter(Path(folder), self.evidence.vocabulary.without_rest, overlays) as writer:
            writer.add(self, name)
        return Path(folder)

    def show(self) -> None:
        """Open the overlay in a notebook, else in the desktop's viewer. Raises ConfigError where there is neither."""
        from retclip.data.viewer import show_picture

        show_picture(self.overlay())

    def _repr_png_(self) -> bytes:
        from retclip.report.notebook import small_png

        return small_png(self.overlay())

    def _repr_html_(self) -> str:
        from retclip.report.notebook import result_html

        return result_html(self)

    def __repr__(self) -> str:
        from retclip.report.result_summary import summary_line

        height, width = self.image.size
        name = Path(self.image.uri).name or self.image.sha256[:12]
        return f"<SegmentationResult of {name}, {width} x {height} pixels: {summary_line(self.panoptic)}>"


def painter(store: FeatureStore | None, panoptic: PanopticSegmentation, image: Image | None = None) -> Painter:
    """Return what draws an explanation. How is imported when a picture is asked for: most are read as text.

    image: the photo; None = it is read from its file, if that is still the same.
    """

    def painted(why: Explanation) -> NDArray[np.uint8]:
        from retclip.report.explanation import picture

        return picture(store, panoptic, why, image)

    return painted
