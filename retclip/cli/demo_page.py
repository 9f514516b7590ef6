"""What the demo's page says: every sentence is made of the figures that stand beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retclip.report.result_summary import percent, summary_line
from retclip.result import SegmentationResult
from retclip.types import PanopticSegmentation

COLUMNS = {
    "pq": "PQ", "sq": "SQ", "rq": "RQ", "miou": "mIoU", "seen_pq": "PQ seen", "unseen_pq": "PQ unseen",
    "seen_miou": "mIoU seen", "unseen_miou": "mIoU unseen",
}  # fmt: skip
COMPARED = {"pq": "PQ", "miou": "mIoU", "unseen_pq": "PQ of unseen classes", "unseen_miou": "mIoU of unseen classes"}
LEVEL = 0.05  # points below which two figures of one decimal are the same
Results = Mapping[str, SegmentationResult]


@dataclass(frozen=True)
class Command:
    """A command to try next, and what it is for."""

    line: str
    what: str


def best_of(table: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the highest figure of each column that has one."""
    columns = {key: [row[key] for row in table if row[key] is not None] for key in COLUMNS}
    return {key: max(values) for key, values in columns.items() if values}


def comparison(table: Sequence[Mapping[str, Any]], system: str, baseline: str) -> str:
    """Return what `system` gains and loses beside `baseline`, and which system is best elsewhere."""
    rows = {row["system"]: row for row in table}
    figures, baseline_figures = rows[system], rows[baseline]
    both = {
        key: name for key, name in COMPARED.items() if figures[key] is not None and baseline_figures[key] is not None
    }
    change = {name: figures[key] - baseline_figures[key] for key, name in both.items()}
    gains = [f"{points:.1f} {name}" for name, points in change.items() if points >= LEVEL]
    losses = [f"{-points:.1f} {name}" for name, points in change.items() if points <= -LEVEL]
    sentences = [f"gains {_joined(gains)}"] if gains else []
    sentences += [f"loses {_joined(losses)}"] if losses else []
    first = f"Beside {baseline}, {system} {'; it '.join(sentences) or 'is level'}."
    best = best_of(table)
    ahead = [
        f"{_holder(table, key)} has the best {name}, {best[key]:.1f}"
        for key, name in both.items()
        if best[key] - figures[key] >= LEVEL
    ]
    return f"{first} {'; '.join(ahead)}." if ahead else f"{first} It is the best of the {len(table)} in all of these."


def _holder(table: Sequence[Mapping[str, Any]], key: str) -> str:
    return str(max((row for row in table if row[key] is not None), key=lambda row: row[key])["system"])


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def class_iou(results: Results, name: str) -> float | None:
    """Intersection over union of one class over all scenes, in percent; None where neither shows it."""
    shared = either = 0
    for result in results.values():
        truth = result.image.truth
        predicted, annotated = _pixels_of(result.panoptic, name), _pixels_of(truth, name) if truth else None
        if annotated is not None:
            shared, either = shared + int((predicted & annotated).sum()), either + int((predicted | annotated).sum())
    return 100 * shared / either if either else None


def right_share(results: Results) -> float:
    """Return the share of annotated pixels whose class is right, [0, 1]."""
    right = annotated = 0
    for result in results.values():
        truth = result.image.truth
        for name in {segment.class_name for segment in truth.segments} if truth else ():
            mask = _pixels_of(truth, name)
            right += int((_pixels_of(result.panoptic, name) & mask).sum())
            annotated += int(mask.sum())
    return right / annotated if annotated else 0.0


def _pixels_of(result: PanopticSegmentation | None, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    ids = [segment.id for segment in result.segments if segment.class_name == name] if result else []
    return np.isin(result.label_map if result else np.zeros(0), ids)


def addition(added: str, before: Results, after: Results) -> str:
    """Return the change that the added class makes over all scenes."""
    scenes = f"Over the {len(after)} scenes"
    was, now = class_iou(before, added), class_iou(after, added)
    shares = [f"{100 * right_share(results):.1f} %" for results in (before, after)]
    right = f"{shares[0]} of all annotated pixels had the right class before, {shares[1]} have it now"
    if was is None or now is None:
        return f"{scenes}, {right}; none of them shows {added}."
    return f"{scenes}, the IoU of {added} was {was:.1f} % before and is {now:.1f} % now; {right}."


def scene_caption(number: int, result: SegmentationResult) -> str:
    """Return a scene's number, its classes, and the share that is right."""
    right = percent(right_share({"": result}))
    return f"scene {number}: {summary_line(result.panoptic)}, {right} of the annotated pixels right"


def next_commands(out: Path, scene: str, added: str, event: int, at: tuple[int, int]) -> list[Command]:
    """Return commands to try next, with the demo's own store, then with the user's photos, from the demo's folder."""
    store, out_folder = shlex.quote(str(out / "store")), shlex.quote(str(out / "found"))
    evidence = shlex.quote(str(out / "found" / f"{Path(scene).stem}.evidence.npz"))
    return [
        Command(f"retclip class list --store {store}", "what the memory holds"),
        Command(
            f"retclip segment {shlex.quote(scene)} --store {store} --out {out_folder}", "label one of these scenes"
        ),
        Command(f"retclip explain {evidence} --store {store} --at {at[0]},{at[1]}", f"why that is a {added}"),
        Command(f"retclip undo {event} --store {store}", f"take {added} out of the memory again"),
        Command("retclip presets", "the systems, the weights that each needs, and whether they are here"),
        Command("retclip init mine", "a memory of your own; then, for each class, a few photos of it:"),
        Command("retclip class add cat CAT_PHOTOS/ --crops --thing --store mine", "photos that show nothing else"),
        Command("retclip segment PHOTOS/ --store mine --out found", "and it knows your classes"),
    ]
