"""Results on disk: OUT/panoptic/NAME.png, OUT/panoptic.json, OUT/overlay/NAME.png, OUT/overlay_plain/NAME.png,
OUT/NAME.evidence.npz."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from retclip.data.images import make_folder, write_png
from retclip.data.panoptic_writer import PanopticWriter
from retclip.plugin.contracts import SourceClass
from retclip.types import Vocabulary
from retclip.workflows.evidence_file import SUFFIX, photo_of, save_evidence

if TYPE_CHECKING:
    from retclip.result import SegmentationResult

UNSAFE = re.compile(r"[^\w.-]+")  # letters of any script, digits, _ . - stay
Overlays = Literal["none", "plain", "legend", "both"]
FOLDERS = {"legend": "overlay", "plain": "overlay_plain"}  # plain: of the photo's own size
LONGEST = 200  # bytes of a name; with number and suffix below the 255 that file systems allow


class ResultWriter:
    """Collects results into one folder; use as a context manager. The COCO JSON is written at the end, even when a
    later photo stops the run. overlays: which pictures are written of each photo."""

    def __init__(self, folder: Path, vocabulary: Vocabulary, overlays: Overlays = "both") -> None:
        self.folder = folder
        self._overlays = {kind: folder / name for kind, name in FOLDERS.items() if overlays in (kind, "both")}
        for place in (folder, *self._overlays.values()):
            make_folder(place)
        pairs = zip(vocabulary.names, vocabulary.is_thing, strict=True)
        self._panoptic = PanopticWriter(folder, [SourceClass(name, is_thing) for name, is_thing in pairs])
        self._taken: set[str] = set()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._panoptic.close()

    def add(self, result: SegmentationResult, name: str) -> str:
        """Write one result; returns the name it got: `name` made safe for files and, where taken, numbered."""
        stem = UNSAFE.sub("_", name).strip("._").encode()[:LONGEST].decode(errors="ignore") or "image"
        safe = next(one for one in _numbered(stem, result.image.sha256[:8]) if self._free(one, result.image.sha256))
        self._taken.add(safe)
        self._panoptic.add(safe, result.panoptic, Path(result.image.uri).name)
        if self._overlays:
            drawn = result.overlay(legend="legend" in self._overlays)  # the legend stands below the photo
            for kind, place in self._overlays.items():
                write_png(place / f"{safe}.png", drawn if kind == "legend" else drawn[: result.image.size[0]])
        save_evidence(self.folder / f"{safe}{SUFFIX}", result.panoptic, result.evidence)
        return safe

    def files(self, name: str) -> dict[str, Path]:
        """What was written for the result of that name, by kind."""
        return {
            "panoptic": self.folder / "panoptic" / f"{name}.png",
            **{place.name: place / f"{name}.png" for place in self._overlays.values()},
            "evidence": self.folder / f"{name}{SUFFIX}",
        }

    @property
    def pictures(self) -> Path | None:
        """The folder to look at; None where no picture is made."""
        return next(iter(self._overlays.values()), None)

    def _free(self, name: str, sha256: str) -> bool:
        """Whether a result may have that name: no other photo's does, now or from an earlier run into this folder."""
        there = self.folder / f"{name}{SUFFIX}"
        return name not in self._taken and (not there.exists() or photo_of(there) in (sha256, None))


def _numbered(stem: str, digest: str) -> Iterator[str]:
    """The name itself, then with the photo's digest, then counted: one photo may come several times."""
    yield stem
    yield f"{stem}_{digest}"
    yield from (f"{stem}_{digest}_{number}" for number in count(2))
