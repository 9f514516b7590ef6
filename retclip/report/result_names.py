"""What the results of photos are called: no two photos share a name, and every name leads back to its photo.

    photos            x.jpg             A/x.jpg and B/x.jpg             x.jpg and x.png
    label maps        panoptic/x.png    panoptic/A/x.png and B/x.png    panoptic/x.jpg.png and x.png.png

A photo's name is its place below the folder that all photos of the run have in common, so that a reader of the COCO
JSON finds each below that folder.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath

UNSAFE = re.compile(r"[^\w.-]+")  # letters of any script, digits, _ . - stay
LONGEST = 200  # bytes of a part; with number and suffix below the 255 that file systems allow


@dataclass(frozen=True)
class ResultName:
    """The names of a result.

    stem: of its files, below their folders.
    photo: the photo's file name, as the COCO JSON lists it.
    """

    stem: str
    photo: str


def result_names(photos: Sequence[tuple[str, str]]) -> list[ResultName]:
    """Return the names of a run's photos, in their order.

    photos: (uri, name in its source) of each; the latter counts where the uri is no absolute path.
    """
    places = [PurePath(uri) if PurePath(uri).is_absolute() else PurePath(name) for uri, name in photos]
    parents = [str(place.parent) for place in places if place.is_absolute()]
    root = os.path.commonpath(parents) if parents else ""
    files = [place.relative_to(root) if place.is_absolute() else place for place in places]
    stems = Counter(_stem(file).casefold() for file in dict.fromkeys(files))
    return [
        ResultName(_stem(file) if stems[_stem(file).casefold()] == 1 else safe(str(file)), file.as_posix())
        for file in files
    ]


def name_of(uri: str, digest: str) -> ResultName:
    """Return the name of a single photo.

    digest: its sha256, for a photo without a file.
    """
    file = PurePath(PurePath(uri).name or digest[:12])
    return ResultName(_stem(file), str(file))


def named(name: str, uri: str, digest: str) -> ResultName:
    """Return the name that a person chose for the results of a photo."""
    stem = safe(UNSAFE.sub("_", name))
    return ResultName(stem, name_of(uri, digest).photo)


def others(name: ResultName, uri: str, digest: str) -> Iterator[ResultName]:
    """The name itself, then others for a photo whose name another one has already: with its ending, with the folders
    above it, at last with its digest, and counted."""
    yield name
    path, file = PurePath(uri), PurePath(name.photo)
    if name.stem != _stem(file):  # a person's
        yield ResultName(name.stem, f"{name.stem}{file.suffix}")
    else:
        yield ResultName(safe(str(file)), name.photo)
        above = path.parts[1:] if path.is_absolute() and path.parts[-len(file.parts) :] == file.parts else ()
        for depth in range(len(file.parts) + 1, len(above) + 1):
            longer = PurePath(*above[-depth:])
            yield ResultName(_stem(longer), longer.as_posix())
    numbered = f"{name.stem}_{digest[:8]}"
    yield ResultName(numbered, f"{numbered}{file.suffix}")
    yield from (ResultName(f"{numbered}_{number}", f"{numbered}_{number}{file.suffix}") for number in count(2))


def safe(path: str) -> str:
    """Return a relative path that every file system takes, and that leads out of no folder."""
    parts = (UNSAFE.sub("_", part).strip("._") for part in PurePath(path).parts)
    cut = [part.encode(errors="ignore")[:LONGEST].decode(errors="ignore") for part in parts]
    return "/".join(part for part in cut if part) or "image"


def _stem(file: PurePath) -> str:
    return safe(str(file.with_suffix("") if file.name else file))
