"""COCO panoptic annotations, read: a JSON of segments and a PNG of ids (id = R + 256 G + 65536 B, 0 = void).

Found in any of these layouts: `panoptic_SPLIT.json` beside `panoptic_SPLIT/` and `images/SPLIT/`; the official
`annotations/panoptic_SPLIT.json`, `annotations/panoptic_SPLIT/` and `SPLIT/`; without a split `panoptic.json`,
`panoptic/`, `images/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from retclip.algorithms.label_runs import LabelRuns, runs_of_colours
from retclip.data.annotated_photo import AnnotatedPhoto, FrameSettings, frame_digest
from retclip.data.class_choice import AnnotatedSettings, chosen, data_set_name, keep_classes
from retclip.data.class_kinds import with_kinds, with_whole_stuff
from retclip.data.class_names import NameSettings, with_names
from retclip.data.file_bytes import ReadOnce
from retclip.data.flags import as_flag, as_whole
from retclip.data.images import file_digest, read_image, read_png
from retclip.data.photo_files import NamedPhotos, inside_name, spelled
from retclip.data.readers.coco.coco_records import (
    as_id,
    as_text,
    bad_record,
    credit_of,
    first_of,
    licences,
    only_one,
    photos_by_id,
    read_document,
    real_categories,
)
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import checked_name
from retclip.passed_over import BAD_OBJECTS, BAD_RECORDS, PassedOver, Tally
from retclip.plugin.contracts import AnnotationAlone, SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation, SegmentInfo

UNANNOTATED = "photos without an annotation"
DISAGREE = "export both again"


class CocoPanopticSettings(FrameSettings, NameSettings, AnnotatedSettings):
    """Where annotation and photos of a COCO panoptic data set lie."""

    annotations: str = Field("", description="the JSON file, if it lies elsewhere")
    images: str = Field("", description="the folder of photos, if it lies elsewhere")


class CocoPanoptic:
    """An ImageSource over one split."""

    def __init__(self, settings: CocoPanopticSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split  # absolute: stored with each photo
        dotted = f"_{split}" if split else ""
        places = [root / f"panoptic{dotted}.json", root / "annotations" / f"panoptic{dotted}.json"]
        self.file = (
            Path(settings.annotations).absolute()
            if settings.annotations
            else only_one(places, f"{root}, split {split!r}", "annotations")
        )
        photos = [root / "images" / split, root / split, root / "images"]
        self.photos = (
            Path(settings.images).absolute() if settings.images else first_of(photos, f"the photos of {self.file}")
        )
        self.masks = self.file.with_suffix("")
        document = read_document(self.file, "panoptic")
        categories = real_categories(_categories(document, self.file), document, self.file)
        classes = with_kinds(with_names(list(categories.values()), settings), settings)
        self._categories = dict(zip(categories, classes, strict=True))
        self._classes, self._relisted = chosen(classes, settings), bool(settings.isthing)
        self._kept = frozenset(source_class.name for source_class in self._classes)
        self._tally = Tally()
        self._licences = licences(document)
        self._annotations = read_annotations(document, self.file, self._categories, self._tally)
        folders = [self.photos] if settings.images else [self.photos, root]
        self._places = NamedPhotos(folders, (annotation.photo["file_name"] for annotation in self._annotations))
        self._frame = settings.orientation
        self.name = data_set_name(root, split)

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes in the order of the file's categories."""
        return self._classes

    def __len__(self) -> int:
        return len(self._annotations)

    def passed_over(self) -> PassedOver:
        """Return the unusable records, and the number of photos without an annotation."""
        return self._tally.total

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the order of the file's annotations."""
        kinds = sorted((key, category.name, category.is_thing) for key, category in self._categories.items())
        for annotation in self._annotations:
            name = annotation.photo["file_name"]
            path = self._places.path(name)
            record, file = annotation.record, ReadOnce(path)
            content = [record, kinds, sorted(self._kept), *frame_digest(self._frame)]
            yield SourceImage(
                external_id=name,
                uri=str(path),
                load=partial(self._load, file, annotation),
                load_truth=partial(self._load_truth, annotation) if self._frame == "upright" else None,
                file_digest=partial(file_digest, file),
                class_names=self._shown(annotation, record),
                annotation_digest=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
                extra=credit_of(annotation.photo, self._licences),
            )

    def _shown(self, annotation: Annotation, record: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return a photo's classes; None where the JSON holds no segments and the PNG some, or is no map, for which
        `load` has the error.

        record: the annotation's.
        """
        present = {self._categories[segment["category_id"]].name for segment in annotation.segments_in(record)}
        if not annotation.places:
            try:
                if _colours(spelled(self.masks, annotation.png)).any():
                    return None
            except DataError:
                return None
        return tuple(source_class.name for source_class in self._classes if source_class.name in present)

    def _load(self, file: ReadOnce, annotation: Annotation) -> Image:
        photo = AnnotatedPhoto(read_image(file), self._frame)
        png = spelled(self.masks, annotation.png)
        truth = read_panoptic(png, annotation.segments, self._categories, photo.tally, annotation.dropped)
        expected = f"an annotation of size {photo.size} for {file}"
        photo.require_fit(truth.label_map.shape, expected, "match photo and PNG")
        return photo.annotated(self._chosen(truth))

    def _load_truth(self, annotation: Annotation) -> AnnotationAlone:
        tally = Tally()
        png = spelled(self.masks, annotation.png)
        truth = read_panoptic(png, annotation.segments, self._categories, tally, annotation.dropped)
        return AnnotationAlone(self._chosen(truth), tally.total)

    def _chosen(self, truth: PanopticSegmentation) -> PanopticSegmentation:
        """Return the classes that were asked for; panopticapi counts a file's segments as they are."""
        return keep_classes(with_whole_stuff(truth) if self._relisted else truth, self._kept)


@dataclass(frozen=True, slots=True)
class Annotation:
    """The JSON's annotation of a photo.

    photo: its image record.
    png: the map's name.
    places: of the usable segments among those of its record.
    dropped: ids of the unusable ones, which the tally lists already.
    records: the file's; number: which of them is this one's.
    """

    photo: Mapping[str, Any]
    png: str
    places: tuple[int, ...]
    dropped: frozenset[int]
    records: Sequence[Mapping[str, Any]]
    number: int

    @property
    def record(self) -> Mapping[str, Any]:
        """The whole record, parsed anew."""
        return self.records[self.number]

    @property
    def segments(self) -> tuple[Mapping[str, Any], ...]:
        """The usable segments, parsed anew."""
        return self.segments_in(self.record)

    def segments_in(self, record: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """Return the usable segments of the annotation's record."""
        return tuple(record["segments_info"][place] for place in self.places)


def read_panoptic(
    png: Path, segments: Sequence[Mapping[str, Any]], categories: Mapping[int, SourceClass],
    tally: Tally | None = None, dropped: Collection[int] = (),
) -> PanopticSegmentation:  # fmt: skip
    """Read a PNG of ids with its segments.

    An id without a segment becomes void, a segment without a pixel is left out.

    segments: the JSON's records.
    tally: gets both; None = they are refused.
    dropped: ids that are void and need no listing.

    Raises DataError where PNG and JSON have no id in common, or differ and there is no tally.
    """
    runs, infos = read_panoptic_runs(png, segments, categories, tally, dropped)
    return PanopticSegmentation(np.repeat(runs.ids, runs.lengths).reshape(runs.shape).astype(np.int32), infos)


def read_panoptic_runs(
    png: Path, segments: Sequence[Mapping[str, Any]], categories: Mapping[int, SourceClass],
    tally: Tally | None = None, dropped: Collection[int] = (),
) -> tuple[LabelRuns, tuple[SegmentInfo, ...]]:  # fmt: skip
    """Read a PNG of ids as runs, with its segments. See `read_panoptic`."""
    runs = runs_of_colours(_colours(png))
    counted = runs.areas
    listed = {int(segment["id"]) for segment in segments}
    strange = sorted((counted.keys() ^ listed) - set(dropped))
    common = counted.keys() & (listed | set(dropped))
    if strange and (tally is None or not common):
        raise DataError(f"the same ids in {png} and its JSON", f"only in one of them: {strange[:5]}", DISAGREE)
    for key in strange:
        where = "the JSON" if key in listed else "the PNG"
        error = DataError(f"segment {key} in {png} and its JSON", f"only in {where}", DISAGREE)
        if tally is not None:
            tally.fault(BAD_OBJECTS, f"segment {key} of {png}", str(png), error)
    if unlisted := list(counted.keys() - listed):
        runs = LabelRuns(runs.begins, np.where(np.isin(runs.ids, unlisted), 0, runs.ids), runs.shape)
    infos = tuple(
        _info(segment, categories, counted[number]) for segment in segments if (number := int(segment["id"])) in counted
    )
    return runs, infos


def _colours(png: Path) -> NDArray[np.uint8]:
    """Return the samples of a PNG of ids, (H, W, 3) uint8. Raises DataError."""
    colours = read_png(png)
    if colours.ndim != 3 or colours.shape[2] < 3:
        raise DataError(f"an RGB PNG of segment ids: {png}", f"shape {colours.shape}", "export it as COCO panoptic")
    return colours[..., :3]


def _info(segment: Mapping[str, Any], categories: Mapping[int, SourceClass], area: int) -> SegmentInfo:
    category = categories[segment["category_id"]]
    crowd = segment.get("iscrowd") or False
    return SegmentInfo(
        int(segment["id"]), category.name, category.is_thing is not False, area, is_crowd=crowd and as_flag(crowd)
    )


def _categories(document: Mapping[str, Any], file: Path) -> dict[int, SourceClass]:
    categories: dict[int, SourceClass] = {}
    for number, record in enumerate(document["categories"]):
        try:
            where = f"category {number} of {file}"
            name = checked_name(record["name"], where)
            new = SourceClass(name, as_flag(record["isthing"]), native_id=as_whole(record["id"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise bad_record(where, "id, name and isthing", error) from error
        if new.native_id in categories:
            raise DataError(f"different category ids in {file}", f"{name!r} ({new.native_id}) twice", "remove one")
        categories[new.native_id] = new
    return categories


def read_annotations(
    document: Mapping[str, Any], file: Path, categories: Mapping[int, SourceClass], tally: Tally
) -> list[Annotation]:
    """Return the annotations with their image records.

    tally: gets the unusable records and segments.
    """
    photos = photos_by_id(document["images"], file, tally)
    annotations, maps = dict[str, Annotation](), dict[str, str | None]()
    for number, record in enumerate(document["annotations"]):
        where = f"annotation {number} of {file}"
        try:
            photo, png, places, dropped = _annotation(record, file, where, photos, categories, tally)
            annotation = Annotation(photo, png, places, dropped, document["annotations"], number)
            name = annotation.photo["file_name"]
            if name in annotations:
                raise DataError(f"one annotation per photo in {where}", f"{name!r} twice", "remove one")
            if png in maps:
                annotations.pop(maps[png] or "", None)  # nobody can tell whose map it is
                maps[png] = None
                raise DataError(
                    f"a map for each photo in {where}", f"{png!r} for several", "write each photo's own map"
                )
        except (KeyError, TypeError) as error:
            incomplete = bad_record(where, "image_id, file_name and segments_info", error)
            tally.fault(BAD_RECORDS, where, str(file), incomplete)
        except DataError as error:
            tally.fault(BAD_RECORDS, where, str(file), error)
        else:
            annotations[name], maps[png] = annotation, name
    tally.skip(UNANNOTATED, max(0, len(photos) - len(annotations)))
    return list(annotations.values())


def _annotation(
    annotation: Mapping[str, Any], file: Path, where: str, photos: Mapping[Any, Mapping[str, Any]],
    categories: Mapping[int, SourceClass], tally: Tally,
) -> tuple[Mapping[str, Any], str, tuple[int, ...], frozenset[int]]:  # fmt: skip
    """Return photo, PNG's name, usable segments and ids of the others. Raises KeyError, TypeError and DataError."""
    key, png, segments = (
        as_id(annotation["image_id"]),
        inside_name(as_text(annotation["file_name"]), where),
        annotation["segments_info"],
    )
    if not isinstance(segments, list):
        raise TypeError(f"segments_info is {brief(segments)}")
    photo = photos.get(key, {"file_name": Path(png).with_suffix(".jpg").as_posix()} if not photos else None)
    if photo is None:
        raise DataError(f"an image for {where}", f"image_id {brief(key)}, which is not there", "add it to `images`")
    good, dropped = dict[int, int](), set[int]()
    for place, segment in enumerate(segments):
        record = f"segment {place} of {where}"
        try:
            number = as_whole(segment["id"])
            repeated = number in dropped
            dropped.add(number)
            if number <= 0 or repeated:
                if number in good and segments[good[number]]["category_id"] != segment["category_id"]:
                    del good[number]  # nobody can tell whose pixels these are
                raise DataError(f"different segment ids above 0 in {record}", f"{number}", "number them anew")
            if as_id(segment["category_id"]) not in categories:
                got = f"category {brief(segment['category_id'])}"
                raise DataError(f"a known category in {record}", got, "add it to `categories`")
            as_flag(segment.get("iscrowd") or 0)
        except DataError as error:
            tally.fault(BAD_OBJECTS, record, str(file), error)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            tally.fault(BAD_OBJECTS, record, str(file), bad_record(record, "id, category_id, iscrowd", error))
        else:
            good[number] = place
    return photo, png, tuple(good.values()), frozenset(dropped - good.keys())
