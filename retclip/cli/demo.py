"""`retclip demo`: the whole method in a minute on scenes that the `reference` plugin draws: no network, no weights."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.result import SegmentationResult
    from retclip.types import SegmentInfo
    from retclip.workflows.evaluate import Evaluation

STORED, SHOWN = 36, 12  # scenes in the store, scenes segmented
ADDED = "boat"
PROPOSERS = {"annotation": "reference.ground_truth", "superpixels": "reference.superpixels"}
MARK = ".retclip-demo"  # so that only a folder of our own is ever emptied


@dataclass(frozen=True)
class Picture:
    """An image of the page."""

    file: str
    caption: str


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the store, the pictures and the page.")] = Path(
        "demo_out"
    ),
    json: options.Json = False,
) -> None:
    """Build a store from drawn scenes, segment others, add a class, explain a label; writes pictures and one page."""
    started = time.monotonic()
    _empty(out)
    train, val = (f"reference.scenes:{out / 'scenes'}?split={split}&count={count}"
                  for split, count in (("train", STORED), ("val", SHOWN)))  # fmt: skip
    values = _run(out, train, val)
    values["seconds"] = round(time.monotonic() - started)
    from retclip.report.html_page import write_page

    write_page(out / "index.html", "demo.html", values)
    if json:
        output.data({"page": str(out / "index.html"), **{key: values[key] for key in ("table", "seconds", "stored")}})
    output.message(f"done in {values['seconds']} s: open {out / 'index.html'}")


def _run(out: Path, train: str, val: str) -> dict[str, Any]:
    """Every step of the demo; what the page shows."""
    from retclip.engine import RetCLIP

    rows: list[dict[str, Any]] = []
    with RetCLIP.open(out / "store", create=True) as memory:
        everything = [one.name for one in memory.source(train).classes()]
        output.message(f"building a store from {STORED} scenes, without {ADDED!r}")
        built = memory.build(train, [name for name in everything if name != ADDED])
    rows += _evaluate(out, val, "before")
    before = _segment(out, val, everything)
    output.message(f"adding {ADDED!r}")
    clock = time.monotonic()
    with RetCLIP.open(out / "store") as memory:
        (added,) = memory.add_class(ADDED, [train])
    seconds = time.monotonic() - clock
    rows += _evaluate(out, val, "after")
    after = _segment(out, val, everything)
    shown = max(after, key=lambda one: _area(after[one]))
    explained = max((one for one in after[shown].segments if one.class_name == ADDED), key=_clearest)
    _explain(out, after[shown], explained)
    return {
        "stored": built.segments + added.segments,
        "stored_images": STORED,
        "scenes": SHOWN,
        "added": ADDED,
        "added_segments": added.segments,
        "added_seconds": f"{seconds:.1f}",
        "command": f"retclip class add {ADDED} SCENES",
        "before_after": [
            _picture(out, before[shown], f"before_{shown}", f"before: no {ADDED} in the store"),
            _picture(out, after[shown], f"after_{shown}", f"after: {added.segments} segments of {ADDED}"),
        ],
        "table": rows,
        "explained": ADDED,
        "explanation": "explanation.png",
        "gallery": [_picture(out, one, name, name) for name, one in list(after.items())[:6]],
    }


def _empty(out: Path) -> None:
    """Start anew, but never empty a folder that this command did not make. Raises ConfigError."""
    from retclip.data.images import make_folder

    if out.is_dir() and any(out.iterdir()) and not (out / MARK).exists():
        raise ConfigError("a new folder, or one of an earlier demo", f"{out}, which holds other files", "choose --out")
    shutil.rmtree(out, ignore_errors=True)
    make_folder(out)
    (out / MARK).touch()


def _opened(out: Path, proposer: str) -> RetCLIP:
    from retclip.engine import RetCLIP

    return RetCLIP.open(out / "store", settings={"components": {"proposer": proposer}})


def _evaluate(out: Path, val: str, when: str) -> list[dict[str, Any]]:
    rows = []
    for name, proposer in PROPOSERS.items():
        with _opened(out, proposer) as memory:
            found: Evaluation = memory.evaluate(val)
        figures = [found.pq, found.sq, found.rq, found.miou, found.per_class[ADDED]["iou"] or 0.0]
        rows.append({"proposer": name, "store": f"{when} adding {ADDED}", "figures": figures})
        output.message(f"  {name}: PQ {found.pq:.1f}, mIoU {found.miou:.1f}, {ADDED} {figures[-1]:.1f}")
    return rows


def _segment(out: Path, val: str, classes: list[str]) -> dict[str, SegmentationResult]:
    with _opened(out, PROPOSERS["superpixels"]) as memory:
        records = list(memory.source(val).images())
        return {one.external_id: memory.segment(one.load(), classes) for one in records}


def _clearest(segment: SegmentInfo) -> tuple[float, int]:
    return round(segment.score, 2), segment.area


def _area(result: SegmentationResult) -> int:
    return sum(one.area for one in result.segments if one.class_name == ADDED)


def _explain(out: Path, result: SegmentationResult, segment: Any) -> None:
    from retclip.report.explanation import save_picture

    with _opened(out, PROPOSERS["superpixels"]) as memory:
        from retclip.workflows.explain import explain

        why = explain(memory.store, result.panoptic, result.evidence, segment.id)
        save_picture(out / "explanation.png", memory.store, result.panoptic, why)


def _picture(out: Path, result: SegmentationResult, name: str, caption: str) -> Picture:
    from retclip.data.images import write_png

    write_png(out / "pictures" / f"{name}.png", result.overlay())
    return Picture(f"pictures/{name}.png", caption)
