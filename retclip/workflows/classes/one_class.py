"""Of an annotated source the photos of one class, told under another name: how a fallback data set's "Canoe" becomes
the user's "kayak" without anybody behind it having to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from retclip.data.class_choice import keep_classes
from retclip.data.source_view import SourceView, with_image
from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage
from retclip.types import Image


def records_showing(source: ImageSource, names: Collection[str], most: int) -> dict[str, list[SourceImage]]:
    """Return for each class the first records that show it, or may.

    One pass, which ends where every class has enough. No image is read.

    names: classes of the source.
    most: records of a class.
    """
    records: dict[str, list[SourceImage]] = {name: [] for name in names}
    lacking = set(records) if most > 0 else set()
    for record in source.images() if lacking else ():
        for name in list(lacking):
            if record.class_names is None or name in record.class_names:
                records[name].append(record)
                if len(records[name]) >= most:
                    lacking.remove(name)
        if not lacking:
            break
    return records


def one_class(
    source: ImageSource,
    class_name: str,
    shown_as: SourceClass,
    records: Sequence[SourceImage],
    enough: Callable[[], bool] = lambda: False,
) -> SourceView:
    """Return the photos as a source of one class: the annotation holds that class alone, under the user's name.

    class_name: the class in the data set.
    shown_as: the class as the user calls it.
    records: the photos.
    enough: is asked before each photo whether no more is needed.
    """
    return SourceView(source, (shown_as,), partial(_renamed, class_name, shown_as.name), records, enough=enough)


def _renamed(class_name: str, shown_name: str, record: SourceImage) -> SourceImage:
    digests = "\n".join((record.annotation_digest, class_name, shown_name))
    return replace(
        with_image(record, partial(_alone, class_name, shown_name)),
        class_names=None if record.class_names is None else (shown_name,),
        annotation_digest=hashlib.sha256(digests.encode()).hexdigest(),
    )


def _alone(class_name: str, shown_name: str, image: Image) -> Image:
    if image.truth is None:
        return image
    truth = keep_classes(image.truth, frozenset((class_name,)))
    segments = tuple(replace(segment, class_name=shown_name) for segment in truth.segments)
    objects = truth.objects and truth.objects.renamed(lambda _: shown_name)
    return replace(image, truth=replace(truth, segments=segments, objects=objects))
