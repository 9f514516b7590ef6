"""Results on disk: OUT/panoptic/NAME.png, OUT/panoptic.json, OUT/overlay/NAME.png, OUT/overlay_plain/NAME.png,
OUT/NAME.evidence.npz. A name may have folders in it (`result_names`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from retclip.data.images import make_folder, write_png
from retclip.data.panoptic_writer import PanopticWriter
from retclip.own_files import RESULTS, claim_folder
from retclip.plugin.contracts import SourceClass
from retclip.report.result_names import ResultName, name_of, named, others
from retclip.types import Vocabulary
from retclip.workflows.explain.evidence_file import SUFFIX, photo_of, save_evidence

if TYPE_CHECKING:
    from retclip.result import SegmentationResult

Overlays = Literal["none", "plain", "legend", "both"]
FOLDERS = {"legend": "overlay", "plain": "overlay_plain"}  # plain: of the photo's own size


class ResultWriter:
    """Collects results into one folder; use as a context manager. The COCO JSON is written at the end, even when a
    later photo stops the run. overlays: which pictures are written of each photo. Raises ConfigError for a folder that
    holds what is no result of ours: its annotations might have the names of ours."""

    def __init__(self, folder: Path, vocabulary: Vocabulary, overlays: Overlays = "both") -> None:
        self.folder = folder
        self._overlays = {kind: folder / name for kind, name in FOLDERS.items() if overlays in (kind, "both")}
        claim_folder(folder, RESULTS)
        for place in self._overlays.values():
            make_folder(place)
        pairs = zip(vocabulary.names, vocabulary.is_thing, strict=True)
        self._panoptic = PanopticWriter(folder, [SourceClass(name, is_thing) for name, is_thing in pairs])
        self._taken: set[str] = set()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._panoptic.close()

    def add(self, result: SegmentationResult, name: ResultName | str | None = None) -> str:
        """Write one result; returns the stem of its files. name: a text is made safe for files; None = the photo's. One
        that another photo has already becomes a longer or a numbered one."""
        image = result.image
        if not isinstance(name, ResultName):
            result_name = None if name is None else named(name, image.uri, image.sha256)
            name = result_name or name_of(image.uri, image.sha256)
        free = next(
            candidate for candidate in others(name, image.uri, image.sha256) if self._free(candidate, image.sha256)
        )
        self._taken.add(free.stem)
        self._panoptic.add(free.stem, result.panoptic, free.photo)
        if self._overlays:
            drawn = result.overlay(legend="legend" in self._overlays)  # the legend stands below the photo
            for kind, place in self._overlays.items():
                picture = drawn if kind == "legend" else drawn[: image.size[0]]
                write_png(place / f"{free.stem}.png", picture, is_photo=True)
        save_evidence(self.folder / f"{free.stem}{SUFFIX}", result.panoptic, result.evidence)
        return free.stem

    def files(self, name: str) -> dict[str, Path]:
        """Return the written files of a result, by kind."""
        return {
            "panoptic": self.folder / "panoptic" / f"{name}.png",
            **{place.name: place / f"{name}.png" for place in self._overlays.values()},
            "evidence": self.folder / f"{name}{SUFFIX}",
        }

    @property
    def pictures(self) -> Path | None:
        """Return the folder to look at; None where no picture is made."""
        return next(iter(self._overlays.values()), None)

    def _free(self, name: ResultName, sha256: str) -> bool:
        """Return whether a result may have that name: no other photo has it, now or from an earlier run into this
        folder.
        """
        evidence = self.folder / f"{name.stem}{SUFFIX}"
        is_free = name.stem not in self._taken and (not evidence.exists() or photo_of(evidence) in (sha256, None))
        return is_free and self._panoptic.stem_of(name.photo) in (name.stem, None)
