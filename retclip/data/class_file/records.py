"""What a class file holds, as records: classes, photos, who made the masks, segments with their vectors.

FILE, a zip whose members are not compressed:

    manifest.json    format, version, feature space, how many of each, sha256 of every other member
    classes.jsonl    a line each: name, synonyms, thing (true, false, null = nobody says)
    photos.jsonl     sha256, id, width, height, address, author, licence
    origins.jsonl    who made masks and labels: data set, source, proposer, its version and settings, components
    segments.jsonl   photo, origin and class (lines of the above, from 0), slot, box, area, COCO run lengths,
                     label, scores, classes that it is a negative example of
    vectors.npy      (segments, dim) little-endian float16, a row per line of segments.jsonl, of unit length
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from retclip.escaping import one_line
from retclip.names import LONGEST, checked_name
from retclip.types import FeatureSpace

FORMAT, VERSION = "retclip-classes", 2
WITH_NEGATIVES = 2  # the first version; a file without any is of version 1, which older programs read
MANIFEST, VECTORS = "manifest.json", "vectors.npy"
LABEL_SOURCES = ("annotation", "detector", "assigned", "person")


def _harmless(text: str) -> str:
    """Raises ValueError for what no database stores and no terminal shows."""
    if one_line(text) != text:
        raise ValueError("a control character, or one that nobody sees")
    return text


def _is_name(text: str) -> str:
    """Raises DataError for what is no name of a class, ValueError for one that is written otherwise."""
    if checked_name(text, "a class file") != text:
        raise ValueError("a name with spaces or invisible characters that do not count")
    return text


Text = Annotated[str, Field(max_length=2000), AfterValidator(_harmless)]
Word = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_harmless)]
Name = Annotated[str, Field(max_length=LONGEST), AfterValidator(_is_name)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Line = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """A record of a class file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Space(Record):
    """The feature space of the vectors, as `retclip.types.FeatureSpace`."""

    id: str
    backbone: Word
    weights: Annotated[str, Field(max_length=64), AfterValidator(_harmless)]
    preprocessing: Text
    pooling: Word
    dim: Annotated[int, Field(ge=1, le=65536)]

    @property
    def space(self) -> FeatureSpace:
        """The space itself."""
        return FeatureSpace(self.backbone, self.weights, self.preprocessing, self.pooling, self.dim)


class Member(Record):
    """A member of the zip. size: bytes."""

    sha256: Digest
    size: Line


class Manifest(Record):
    """The manifest: what the file is, and what its other members must be."""

    format: Literal["retclip-classes"]
    version: Literal[1, 2]
    space: Space
    classes: Line
    photos: Line
    origins: Line
    segments: Line
    members: dict[str, Member]


class FileClass(Record):
    """A class. thing: whether it is countable, None where nobody says."""

    name: Name
    synonyms: tuple[Name, ...] = Field((), strict=False)
    thing: bool | None = None


class FilePhoto(Record):
    """A photo that is not in the file. id: its name in its data set. address: on the web."""

    sha256: Digest
    id: Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_harmless)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    address: Text = ""
    author: Text = ""
    licence: Text = ""


class Part(Record):
    """A component of a run. distribution: that brought it; weights: sha256 by file name."""

    name: Word
    version: Text
    distribution: Text = ""
    settings_sha256: Text = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    weights: dict[Text, Text] = Field(default_factory=dict)


class FileOrigin(Record):
    """Who made masks and labels. components: of the run, by role."""

    data_set: Word
    source: Text
    proposer: Word
    proposer_version: Annotated[str, Field(max_length=64), AfterValidator(_harmless)]
    proposer_settings: dict[str, Any] = Field(default_factory=dict)
    components: dict[Word, Part] = Field(default_factory=dict)


class FileSegment(Record):
    """A segment.

    photo, origin, class_line: lines of the other members, from 0.
    prompt, ordinal: its slot in the photo, beside the origin's proposer.
    box: x, y, width, height, in pixels of the upright photo; area: in pixels.
    counts: COCO compressed run lengths of the whole photo, column by column.
    score: the proposer's objectness, [0, 1]; detector_score, mask_score: what it was made of.
    against: lines of the classes that it is a negative example of, ascending; where its own is among them it never
    votes, and its label is only the place where it is kept.
    """

    photo: Line
    origin: Line
    class_line: Line = Field(alias="class")
    prompt: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_harmless)]
    ordinal: Annotated[int, Field(ge=0, lt=1 << 31)]
    box: tuple[Line, Line, Line, Line] = Field(strict=False)
    area: Annotated[int, Field(ge=1)]
    counts: Annotated[str, Field(pattern=r"^[0-o]+$")]  # the 64 characters from 0 on
    label_source: Literal["annotation", "detector", "assigned", "person"]
    confidence: Share
    score: Share
    detector_score: Share | None = None
    mask_score: Share | None = None
    against: tuple[Line, ...] = Field((), strict=False)


RECORDS: Mapping[str, type[Record]] = {
    "classes": FileClass, "photos": FilePhoto, "origins": FileOrigin, "segments": FileSegment,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ClassFile:
    """A class file in memory.

    vectors: (n, d) float16, a row per segment, of unit length to the precision of float16.
    sha256: of the file, "" for one that is not written yet.
    """

    space: FeatureSpace
    classes: tuple[FileClass, ...]
    photos: tuple[FilePhoto, ...]
    origins: tuple[FileOrigin, ...]
    segments: tuple[FileSegment, ...]
    vectors: NDArray[np.float16]
    sha256: str = field(default="")
