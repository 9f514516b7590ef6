"""The units of an import: of each photo the segments that have one origin, and what the store calls them.

Keys and contents are functions of the file alone, so that an import that is repeated finds what an earlier one stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from retclip.data.class_file.records import ClassFile, FileOrigin, FilePhoto
from retclip.plugin.contracts import SourceImage
from retclip.store.ids import digest, recipe_fingerprint, segment_id, unit_key
from retclip.store.records import NewSegment
from retclip.store.states import LabelSource
from retclip.types import FeatureSpace


@dataclass(frozen=True, eq=False)
class ImportUnit:
    """The segments of a photo that have one origin.

    origin, photo: their lines in the file.
    lines: of the segments.
    """

    origin: int
    photo: int
    lines: tuple[int, ...]


class FileUnits:
    """The units of a class file.

    space: in which the vectors are stored.
    photos_at_hand: records of the photos that the user has, by sha256.
    """

    def __init__(self, contents: ClassFile, space: FeatureSpace, photos_at_hand: Mapping[str, SourceImage]) -> None:
        self.contents, self.space, self.photos_at_hand = contents, space, photos_at_hand
        self.ids = [self._id(line) for line in range(len(contents.segments))]

    def without(self, stored: Collection[UUID]) -> list[ImportUnit]:
        """Return the units with a segment that is not among the stored ones, in the file's order.

        stored: ids of segments.
        """
        lines: dict[tuple[int, int], list[int]] = {}
        for line, segment in enumerate(self.contents.segments):
            if self.ids[line] not in stored:
                lines.setdefault((segment.origin, segment.photo), []).append(line)
        return [ImportUnit(origin, photo, tuple(several)) for (origin, photo), several in lines.items()]

    def photo(self, unit: ImportUnit) -> FilePhoto:
        """Return the photo of a unit, as the file describes it."""
        return self.contents.photos[unit.photo]

    def record(self, unit: ImportUnit) -> SourceImage | None:
        """Return the user's own record of a unit's photo; None where it is not at hand."""
        return self.photos_at_hand.get(self.photo(unit).sha256)

    def place(self, unit: ImportUnit) -> str:
        """Return where the photo lies: as the user says, else on the web, else its name."""
        photo, record = self.photo(unit), self.record(unit)
        return record.uri if record is not None else photo.address or photo.id

    def content(self, unit: ImportUnit) -> str:
        """Return the digest of what the file says of a unit's segments."""
        line_numbers = {"photo", "origin", "class_line", "against"}
        segments = [self.contents.segments[line].model_dump(mode="json", exclude=line_numbers) for line in unit.lines]
        negatives = [f"{line} not {name}" for line, n in enumerate(unit.lines) for name in self.against(n)]
        return digest(json.dumps(segments, sort_keys=True), *map(self.class_name, unit.lines), *negatives)

    def key(self, unit: ImportUnit) -> str:
        """Return the key of a unit in the ledger."""
        recipe = origin_recipe(self.contents.origins[unit.origin])
        prompts = {self.contents.segments[line].prompt for line in unit.lines}
        return unit_key(self.photo(unit).sha256, self.content(unit), recipe, self.space.id, prompts)

    def class_name(self, line: int) -> str:
        """Return the class of the segment at a line."""
        return self.contents.classes[self.contents.segments[line].class_line].name

    def against(self, line: int) -> tuple[str, ...]:
        """Return the classes that the segment at a line is a negative example of."""
        return tuple(self.contents.classes[other].name for other in self.contents.segments[line].against)

    def segment(self, line: int) -> NewSegment:
        """Return the segment at a line as the store takes it."""
        segment = self.contents.segments[line]
        return NewSegment(
            segment.prompt, segment.ordinal, segment.box, segment.area, segment.score, segment.counts.encode(),
            LabelSource(segment.label_source), segment.confidence, segment.detector_score, segment.mask_score,
            self.class_name(line), self.against(line),
        )  # fmt: skip

    def _id(self, line: int) -> UUID:
        segment = self.contents.segments[line]
        photo, origin = self.contents.photos[segment.photo], self.contents.origins[segment.origin]
        return segment_id(photo.sha256, origin.proposer, segment.prompt, segment.ordinal)


def origin_recipe(origin: FileOrigin) -> str:
    """Return the fingerprint of proposer, version and settings, by which the ledger knows finished work."""
    return recipe_fingerprint(origin.proposer, origin.proposer_version, origin.proposer_settings)
