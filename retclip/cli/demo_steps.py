"""What the demo does, step by step: one store, three systems on it, one class added, one label explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retclip.data.images import write_png
from retclip.engine import RetCLIP
from retclip.report.explanation import save_picture
from retclip.result import SegmentationResult
from retclip.workflows.explain import explain

ADDED = "fox"  # unseen by the fine-tuning, and at first also absent from the store
SEEN = (
    "airplane", "apple", "banana", "basketball", "bear", "butterfly", "cactus", "camera", "car", "cat", "chair", "cow",
)  # fmt: skip
UNSEEN = (
    ADDED, "giraffe", "parrot", "snake", "turtle", "bicycle", "taxi", "rocket", "doughnut", "pineapple", "umbrella",
    "house",
)  # fmt: skip
SYSTEMS = {"FC-CLIP": "miniature-fc-clip", "retrieval alone": "miniature-retrieval", "RetCLIP": "miniature"}
SHOWN_SYSTEMS, GALLERY = 4, 4  # scenes shown by all three systems; more of the last


@dataclass(frozen=True)
class Picture:
    """An image of the page."""

    file: str
    caption: str


Results = Mapping[str, SegmentationResult]


class Demo:
    """The store, and the scenes that it is tried on. stored, shown, pictures: how many of each."""

    systems = SYSTEMS

    def __init__(self, out: Path, stored: int, shown: int, pictures: int) -> None:
        self.out = out
        things = "".join(f"&things={name}" for name in (*SEEN, *UNSEEN))
        base = f"miniature.scenes:{out / 'scenes'}?"
        self.store_scenes = f"{base}split=store&count={stored}{things}"
        self.shown_scenes = f"{base}split=demo&count={shown}{things}"
        self.new_pictures = f"{base}split=store&seed=1&count={pictures}&things={ADDED}"

    def opened(self, system: str, create: bool = False) -> RetCLIP:
        """The store as one of the systems sees it."""
        return RetCLIP.open(self.out / "store", settings={"preset": SYSTEMS[system]}, create=create)

    def build(self) -> int:
        """A store without the class that is added later; the number of its segments."""
        with self.opened("RetCLIP", create=True) as memory:
            names = [one.name for one in memory.source(self.store_scenes).classes()]
            return memory.build(self.store_scenes, [name for name in names if name != ADDED]).segments

    def add(self) -> int:
        """The class, from a few pictures; the number of its segments."""
        with self.opened("RetCLIP") as memory:
            (report,) = memory.add_class(ADDED, [self.new_pictures])
            return report.segments

    def evaluate(self, system: str) -> dict[str, Any]:
        """The figures of one system, in percent."""
        with self.opened(system) as memory:
            found = memory.evaluate(self.shown_scenes)
        groups = {
            f"{name}_{key}": getattr(group, key) for name, group in found.groups.items() for key in ("pq", "miou")
        }
        return {"system": system, "pq": found.pq, "sq": found.sq, "rq": found.rq, "miou": found.miou, **groups}

    def segment(self, system: str) -> Results:
        """scene -> what one system found there."""
        with self.opened(system) as memory:
            source = memory.source(self.shown_scenes)
            records = list(source.images())
            found = memory.segment_all([one.load() for one in records], [one.name for one in source.classes()])
            return dict(zip((one.external_id for one in records), found, strict=True))

    def pictures(self, before: Results, after: Mapping[str, Results]) -> dict[str, Any]:
        """Write the pictures; what the page's template needs of them."""
        last = after["RetCLIP"]
        shown = max(last, key=lambda scene: _area(last[scene]))
        compared = [scene for scene in last if scene != shown][:SHOWN_SYSTEMS]
        return {
            "before_after": [
                self._picture(before[shown], "before", f"before: no {ADDED} in the store"),
                self._picture(last[shown], "after", f"after: {ADDED} was added"),
            ],
            "explanation": self._explain(last[shown]),
            "compared": [
                [self._picture(after[system][scene], f"{scene}_{n}", system) for n, system in enumerate(SYSTEMS)]
                for scene in compared
            ],
            "gallery": [self._picture(last[scene], scene, scene) for scene in list(last)[-GALLERY:]],
        }

    def _picture(self, result: SegmentationResult, name: str, caption: str) -> Picture:
        write_png(self.out / "pictures" / f"{name}.png", result.overlay())
        return Picture(f"pictures/{name}.png", caption)

    def _explain(self, result: SegmentationResult) -> str:
        """Why the surest segment of the added class, or else the largest of all, is what it is."""
        mine = [one for one in result.segments if one.class_name == ADDED] or list(result.segments)
        chosen = max(mine, key=lambda one: (round(one.score, 2), one.area))
        with self.opened("RetCLIP") as memory:
            why = explain(memory.store, result.panoptic, result.evidence, chosen.id)
            save_picture(self.out / "explanation.png", memory.store, result.panoptic, why)
        return "explanation.png"


def _area(result: SegmentationResult) -> int:
    return sum(one.area for one in result.segments if one.class_name == ADDED)
