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
    """Per class of the source the first records that show it, or may, at most `most`; one pass, which ends where every
    class has enough. No image is read."""
    found: dict[str, list[SourceImage]] = {name: [] for name in names}
    lacking = set(found) if most > 0 else set()
    for record in source.images() if lacking else ():
        for name in list(lacking):
            if record.class_names is None or name in record.class_names:
                found[name].append(record)
                if len(found[name]) >= most:
                    lacking.remove(name)
        if not lacking:
            break
    return found


def one_class(
    source: ImageSource,
    theirs: str,
    mine: SourceClass,
    records: Sequence[SourceImage],
    enough: Callable[[], bool] = lambda: False,
) -> SourceView:
    """Those photos as a source of one class. The annotation holds nothing but that class, under the user's name.

    theirs: how the data set calls the class.
    mine: the class as the user calls it.
    enough: asked before each photo whether it is needed at all.
    """
    return SourceView(source, (mine,), partial(_renamed, theirs, mine.name), records, enough=enough)


def _renamed(theirs: str, mine: str, record: SourceImage) -> SourceImage:
    told = "\n".join((record.annotation_digest, theirs, mine))
    return replace(
        with_image(record, partial(_alone, theirs, mine)),
        class_names=None if record.class_names is None else (mine,),
        annotation_digest=hashlib.sha256(told.encode()).hexdigest(),
    )


def _alone(theirs: str, mine: str, image: Image) -> Image:
    if image.truth is None:
        return image
    truth = keep_classes(image.truth, frozenset((theirs,)))
    segments = tuple(replace(segment, class_name=mine) for segment in truth.segments)
    objects = truth.objects and truth.objects.renamed(lambda _: mine)
    return replace(image, truth=replace(truth, segments=segments, objects=objects))
