"""What the demo does, step by step: one store, three systems on it, one class added, one label explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retclip.cli import demo_page
from retclip.cli.demo_page import Results
from retclip.data.images import write_png
from retclip.engine import RetCLIP
from retclip.report.overlay import overlay
from retclip.result import SegmentationResult
from retclip.types import SegmentInfo

ADDED = "umbrella"  # unseen by the fine-tuning, and at first also absent from the store
SEEN = (
    "airplane", "apple", "banana", "basketball", "bear", "butterfly", "cactus", "camera", "car", "cat", "chair", "cow",
)  # fmt: skip
UNSEEN = (
    ADDED, "giraffe", "parrot", "snake", "turtle", "fox", "bicycle", "taxi", "rocket", "doughnut", "pineapple",
    "house",
)  # fmt: skip
SYSTEMS = {"FC-CLIP": "miniature-fc-clip", "retrieval alone": "miniature-retrieval", "RetCLIP": "miniature"}
OURS, THEIRS = "RetCLIP", "FC-CLIP"
SHOWN_SYSTEMS, GALLERY = 4, 4  # scenes shown by all three systems; more of the last


@dataclass(frozen=True)
class Picture:
    """An image of the page."""

    file: str
    caption: str


@dataclass(frozen=True)
class Scene:
    """A scene of the page, with a line that says what is in its pictures."""

    title: str
    pictures: tuple[Picture, ...]


class Demo:
    """The store, and the scenes that it is tried on.

    stored, shown, pictures: the number of each.
    """

    systems = SYSTEMS

    def __init__(self, out: Path, stored: int, shown: int, pictures: int) -> None:
        self.out = out
        things = "".join(f"&things={name}" for name in (*SEEN, *UNSEEN))
        base = f"miniature.scenes:{out / 'scenes'}?"
        self.store_scenes = f"{base}split=store&count={stored}{things}"
        self.shown_scenes = f"{base}split=demo&count={shown}{things}"
        self.new_pictures = f"{base}split=store&seed=1&count={pictures}&things={ADDED}"

    def opened(self, system: str, create: bool = False) -> RetCLIP:
        """Return the store as one of the systems sees it."""
        return RetCLIP.open(self.out / "store", settings={"preset": SYSTEMS[system]}, create=create)

    def build(self) -> int:
        """Build a store without the class that is added later; return the number of its segments.

        The settings are recorded, so that commands find them.
        """
        with self.opened(OURS, create=True) as memory:
            return memory.build(self.store_scenes, without=[ADDED]).segments

    def add(self) -> tuple[int, int]:
        """Add the class from a few pictures; return the number of its segments, and of the event."""
        with self.opened(OURS) as memory:
            report = memory.classes.add(ADDED, self.new_pictures)
            return sum(run.segments for run in report.runs), report.events[-1]

    def evaluate(self, system: str) -> dict[str, Any]:
        """Return the figures of one system, in percent."""
        with self.opened(system) as memory:
            evaluation = memory.evaluate(self.shown_scenes)
        groups = {
            f"{name}_{key}": getattr(group, key) for name, group in evaluation.groups.items() for key in ("pq", "miou")
        }
        return {
            "system": system,
            "pq": evaluation.pq,
            "sq": evaluation.sq,
            "rq": evaluation.rq,
            "miou": evaluation.miou,
            **groups,
        }

    def segment(self, system: str) -> Results:
        """scene -> what one system found there."""
        with self.opened(system) as memory:
            source = memory.source(self.shown_scenes)
            records = list(source.images())
            results = memory.segment(
                [record.load() for record in records], [record.name for record in source.classes()]
            )
            return dict(zip((record.external_id for record in records), results, strict=True))

    def pictures(self, before: Results, after: Mapping[str, Results]) -> dict[str, Any]:
        """Write the pictures; what the page's template needs of them."""
        last = after[OURS]
        numbers = {scene: number for number, scene in enumerate(last, 1)}
        scene_shown = max(last, key=lambda scene: _area(last[scene]))
        compared = [scene for scene in last if scene != scene_shown][:SHOWN_SYSTEMS]
        segment = _surest(last[scene_shown])
        changed = [*self._given(last[scene_shown], scene_shown), *(
            self._picture(results[scene_shown].overlay(), when, f"answer {when} the addition")
            for when, results in (("before", before), ("after", last))
        )]  # fmt: skip
        return {
            "before_after": Scene(f"scene {numbers[scene_shown]}", tuple(changed)),
            "addition": demo_page.addition(ADDED, before, last),
            "explanation": self._explain(last[scene_shown], segment),
            "why": f"Scene {numbers[scene_shown]} again, and its segment of "
            f"{segment.class_name} (score {segment.score:.2f}).",
            "compared": [self._compared(scene, numbers[scene], after) for scene in compared],
            "gallery": [
                self._picture(last[scene].overlay(), scene, demo_page.scene_caption(numbers[scene], last[scene]))
                for scene in list(last)[-GALLERY:]
            ],
            "at": _inside(last[scene_shown], segment),
            "photo": last[scene_shown].image.uri,
        }

    def _compared(self, scene: str, number: int, after: Mapping[str, Results]) -> Scene:
        answers = [
            self._picture(after[system][scene].overlay(), f"{scene}_{n}", system) for n, system in enumerate(SYSTEMS)
        ]
        return Scene(f"scene {number}", (*self._given(after[OURS][scene], scene), *answers))

    def _given(self, result: SegmentationResult, scene: str) -> list[Picture]:
        """The photo and what it shows, for comparison."""
        pictures = [self._picture(result.image.pixels, f"{scene}_photo", "photo")]
        if result.image.truth is not None:
            painted = overlay(result.image.pixels, result.image.truth)
            pictures.append(self._picture(painted, f"{scene}_annotation", "annotation"))
        return pictures

    def _picture(self, pixels: np.ndarray[Any, np.dtype[np.uint8]], name: str, caption: str) -> Picture:
        write_png(self.out / "pictures" / f"{name}.png", pixels)
        return Picture(f"pictures/{name}.png", caption)

    def _explain(self, result: SegmentationResult, segment: SegmentInfo) -> str:
        result.explain(segment).save(self.out / "explanation.png")
        return "explanation.png"


def _surest(result: SegmentationResult) -> SegmentInfo:
    """Return the segment of the added class with the best score, or else the largest of all."""
    segments = [segment for segment in result.segments if segment.class_name == ADDED] or list(result.segments)
    return max(segments, key=lambda segment: (round(segment.score, 2), segment.area))


def _inside(result: SegmentationResult, segment: SegmentInfo) -> tuple[int, int]:
    """Return (x, y) of a pixel of the segment, in the middle of its pixels in reading order."""
    rows, columns = np.nonzero(result.label_map == segment.id)
    middle = len(rows) // 2
    return int(columns[middle]), int(rows[middle])


def _area(result: SegmentationResult) -> int:
    return sum(segment.area for segment in result.segments if segment.class_name == ADDED)
