"""Questions to an open store about itself: `memory.audit` and `memory.suspects`, as `retclip audit` asks them.

Lists of segments come as tables that a notebook shows, and that `save` writes as a page, a sheet or a list for the
correcting commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from retclip.asked_space import backbone_of, chosen_space, named_space, readers
from retclip.errors import ConfigError, PluginUnavailable, SpaceMismatch, WeightsMissing
from retclip.escaping import brief
from retclip.kinds import checked_filter, checked_limit
from retclip.progress import OnProgress, silent
from retclip.store.records import SegmentFilter

if TYPE_CHECKING:
    from retclip.plugin.checked_source import CheckedSource
    from retclip.report.segment_table import SegmentTable
    from retclip.session import Session
    from retclip.store.records import ListedSegment
    from retclip.types import FeatureSpace
    from retclip.workflows.audit.class_texts import TextPlace
    from retclip.workflows.audit.coverage import ThinClasses
    from retclip.workflows.audit.duplicates import Duplicates
    from retclip.workflows.audit.frames import PhotoGroups
    from retclip.workflows.audit.mislabels import Ranking, Suspect

LIMIT = 100


class Audit:
    """Audits of a store. Nothing is changed but the kept trust in labels, which is computed where it is needed.

    The parameters of all methods: filter, only segments that it selects (None = every visible one); limit, at most so
    many; space, a backbone or a space's id where the store holds several (None = that of the configured keys, as in a
    search). They raise ConfigError, DataError and StoreError.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def mislabels(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, space: str | None = None,
        frames: PhotoGroups | None = None, on_progress: OnProgress = silent, by: Ranking | None = None,
    ) -> SegmentTable:  # fmt: skip
        """List labels that are likely wrong, the likeliest first, each with the class that it would rather be.

        frames: what `frames` returned: photos of one group do not speak for each other.
        by: "doubt" or "trust"; None = doubt where classes have at least 5 segments in the mean, and
        the store at most 20,000, else trust.
        """
        suspects = self.suspects(filter, limit, space, frames, on_progress, by)
        table = self.table([suspect.segment for suspect in suspects], "likely wrong labels, the likeliest first")
        return table if frames is None else replace(table, notes=(*table.notes, frames.said()))

    def suspects(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, space: str | None = None,
        frames: PhotoGroups | None = None, on_progress: OnProgress = silent, by: Ranking | None = None,
    ) -> list[Suspect]:  # fmt: skip
        """List what `mislabels` does, each with its nearest segments of the suggested class."""
        from retclip.workflows.audit.mislabels import RANKINGS, Judging, mislabels

        store, chosen = self._session.store, checked_filter(filter, SegmentFilter)
        if by is not None and by not in RANKINGS:
            raise ConfigError("doubt or trust to rank by", brief(by), "choose one, or leave it out")
        how, device = Judging(frames, by), store.options.device
        return mislabels(store, chosen, checked_limit(limit), self._space(space), device, how, on_progress)

    def frames(self, bits: int = 24, on_progress: OnProgress = silent) -> PhotoGroups:
        """Read the photos and group those that show nearly the same, for `mislabels` and `suspects`.

        bits: of 128 in which the hashes of two photos may differ.
        """
        from retclip.workflows.audit.frames import photo_groups

        _bound("bits", bits, 128)
        return photo_groups(self._session.store, bits, on_progress)

    def outliers(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, space: str | None = None,
        on_progress: OnProgress = silent,
    ) -> SegmentTable:  # fmt: skip
        """List segments that are far from everything of their class, the farthest first."""
        from retclip.workflows.audit.outliers import outliers

        store, chosen = self._session.store, checked_filter(filter, SegmentFilter)
        far = outliers(store, chosen, checked_limit(limit), self._space(space), store.options.device, on_progress)
        return self.table(far, "far from everything of their class")

    def conflicts(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, space: str | None = None, alike: float = 0.1
    ) -> SegmentTable:
        """List segments whose label another one contradicts: of the same mask, or the nearest of another data set.

        alike: cosine distance within which data sets should agree, (0, 2].
        """
        from retclip.workflows.audit.conflicts import conflicts

        _bound("alike", alike, 2.0)
        store, chosen = self._session.store, checked_filter(filter, SegmentFilter)
        contradicted = conflicts(store, chosen, checked_limit(limit), self._space(space), alike)
        return self.table(contradicted, "labels that contradict each other")

    def duplicates(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, space: str | None = None,
        against: CheckedSource | None = None, bits: int = 24, within: float = 0.005, on_progress: OnProgress = silent,
    ) -> Duplicates:  # fmt: skip
        """Find photos that look alike and near-identical segments of different photos.

        against: an evaluation source (`memory.source`): instead, which of its photos are in the store.
        bits: of 128 in which the hashes of photos may differ.
        within: cosine distance of near-identical segments, [0, 2].
        """
        from retclip.workflows.audit.duplicates import duplicates, leakage

        store, chosen = self._session.store, checked_filter(filter, SegmentFilter)
        _bound("bits", bits, 128)
        _bound("within", within, 2.0)
        if against is not None:
            return leakage(store, against.images(), against.name, len(against), bits, on_progress)
        return duplicates(store, chosen, checked_limit(limit), self._space(space), bits, within, on_progress)

    def coverage(
        self, filter: SegmentFilter | None = None, limit: int = LIMIT, few: int = 5, space: str | None = None
    ) -> ThinClasses:
        """List the classes that little stands behind, those with the fewest photos first.

        few: photos below which a class is told, at least 1.
        space: whose vectors are compared with the text of their class's name; None = the first that has a text tower.
        """
        from retclip.workflows.audit.coverage import ThinClasses, coverage

        store, chosen, limit = self._session.store, checked_filter(filter, SegmentFilter), checked_limit(limit)
        texts, notes = self._texts(None if space is None else named_space(self._session, space))
        thin = coverage(store, chosen, limit, few, texts)
        return ThinClasses(tuple(thin), notes)

    def table(self, segments: Sequence[ListedSegment], title: str) -> SegmentTable:
        """Make a table of listed segments."""
        from retclip.report.segment_table import SegmentTable

        return SegmentTable(tuple(segments), title, None, self._session.store.segments.masks)

    def page(self, suspects: Sequence[Suspect], path: str | PathLike[str], title: str) -> Path:
        """Write a page that shows each suspect with its neighbours and the command that corrects it; return its path.

        Raises DataError for a file that cannot be written, ConfigError for one that RetCLIP did not make.
        """
        from retclip.report.audit_page import write_audit_page

        store = self._session.store
        return write_audit_page(Path(path), suspects, title, store.folder, store.segments.masks)

    def _texts(self, space: FeatureSpace | None) -> tuple[dict[int, TextPlace], tuple[str, ...]]:
        """Compare the classes with their texts, or say why that cannot be."""
        from retclip.workflows.audit.class_texts import text_places

        spaces = [row for _, row in self._session.store.spaces.rows()] if space is None else [space]
        reading = [space for space in spaces if space.backbone in readers(self._session)]
        if not reading:
            blind = ", ".join(dict.fromkeys(space.backbone for space in spaces))
            return {}, (f"no class is compared with its text: {blind} has no text tower here",) if blind else ()
        try:
            backbone = backbone_of(self._session, reading[0])
        except (PluginUnavailable, WeightsMissing, SpaceMismatch) as error:
            return {}, (f"no class is compared with its text: {error}",)
        return text_places(self._session.store, backbone)

    def _space(self, name: str | None) -> FeatureSpace | None:
        """Return the space in which a search would ask, too; None for an empty store."""
        return chosen_space(self._session, name) if name is not None or self._session.store.spaces.rows() else None


def _bound(name: str, value: float, largest: float) -> None:
    if not 0 <= value <= largest:
        raise ConfigError(f"{name} from 0 to {largest:g}", f"{value}", "choose another")
