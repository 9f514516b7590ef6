"""Where a build's time goes, how often it opens a file, and what it costs to start a finished one again.

    OMP_NUM_THREADS=1 python benchmarks/build_stages.py label-maps:PATH?split=train --finished 10000 --out /tmp/stages

Builds the source twice, with photos decoded ahead of the model and one after the other, and stops where the two stores
differ in anything. Then draws so many tiny photos with label maps, builds a store of them, which takes some minutes,
and starts that build again: files younger than two seconds are read, others recalled. `--out` is kept, so that a
further run starts with the finished store. Prints a JSON line for each part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from executors import EXACT, digest
from PIL import Image
from real_photos import take_folder

import retclip
from retclip.store.api.runs import Runs
from retclip.workflows.building import build_loop, image_segments, unit_work
from retclip.workflows.segment import decode_ahead

STAGES = {  # what is timed, by the stage that it belongs to
    "plan": [(build_loop, "plan_units")],
    "decode": [(decode_ahead, "_attempt")],
    "propose": [(image_segments, "proposals_of")],
    "pool": [(image_segments, "keys_of")],
    "store": [(Runs, "lease"), (Runs, "begin_unit"), (Runs, "commit")],
    "work": [(unit_work, "outcome_of")],  # propose, pool and what is between them
}
PHOTOS = {".png", ".jpg", ".jpeg"}
opened = Counter[str]()


def count_opens(event: str, arguments: tuple[Any, ...]) -> None:
    """Count the pictures that the process opens: an audit hook sees every way to open one."""
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path = Path(arguments[0])
        opened.update([str(path)] if path.suffix.lower() in PHOTOS else [])


def built(source: str, store: Path, preset: str, ahead: bool = True) -> dict[str, Any]:
    """Build a source, and return seconds of the processor and of the clock by stage."""
    processor, clock = Counter[str](), Counter[str]()

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            began = time.thread_time(), time.monotonic()
            try:
                return work(*arguments, **more)
            finally:
                processor[stage] += time.thread_time() - began[0]
                clock[stage] += time.monotonic() - began[1]

        return wrapped

    with ExitStack() as stack:
        for stage, places in STAGES.items():
            for place, name in places:
                stack.enter_context(patch.object(place, name, timed(stage, getattr(place, name))))
        if not ahead:
            stack.enter_context(patch.object(unit_work, "decoded", one_by_one))
        memory = stack.enter_context(retclip.open(store, create=True, settings={"preset": preset}))
        memory.session.builder()
        opened.clear()
        began = time.process_time(), time.monotonic()
        report = memory.build(source)
        processor["all"], clock["all"] = time.process_time() - began[0], time.monotonic() - began[1]
    slowest = max(clock[stage] for stage in ("plan", "decode", "store", "work"))
    return {
        "images": report.images, "skipped": report.skipped, "segments": report.segments,
        "processor_s": rounded(processor), "clock_s": rounded(clock),
        "percent": {stage: round(100 * processor[stage] / processor["all"], 2) for stage in STAGES},
        "clock_of_the_slowest": round(clock["all"] / slowest, 3) if slowest else None,
        "files_by_opens": dict(Counter(opened.values())),
    }  # fmt: skip


def one_by_one(records: Any) -> Any:
    """Decode each photo when it is asked for."""
    return ((record, decode_ahead._attempt(record.load)) for record in records)


def rounded(seconds: Counter[str]) -> dict[str, float]:
    """Return seconds to the millisecond."""
    return {stage: round(value, 3) for stage, value in seconds.items()}


def draw(folder: Path, count: int) -> None:
    """Draw so many different photos of 64 x 48 with a label map each."""
    if (folder / "classes.txt").exists():
        return
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for number in range(count):
        pixels, labels = np.roll(noise, number % 61, axis=1), np.zeros((48, 64), np.uint8)
        pixels[0, 0] = number >> 16 & 255, number >> 8 & 255, number & 255
        labels[24:], labels[24:30, number % 56 : number % 56 + 6] = 1, 2
        Image.fromarray(pixels).save(folder / "images" / f"{number:06d}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number:06d}.png")
    (folder / "classes.txt").write_text("sky | stuff\ngrass | stuff\ncar | thing\n", encoding="utf-8")


def told(part: str, **figures: Any) -> None:
    """Print a line."""
    print(json.dumps({"part": part, **figures}), flush=True)


def main() -> None:
    """Build, compare, start again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="address of a data set to build")
    parser.add_argument("--preset", default="appearance")
    parser.add_argument(
        "--finished", type=int, default=10_000, help="images of the build that is started again; 0: none"
    )
    parser.add_argument("--out", type=Path, default=Path("/tmp/build_stages"))
    given = parser.parse_args()
    take_folder(given.out)
    sys.addaudithook(count_opens)
    stores = [given.out / name for name in ("ahead", "one_by_one")]
    for store in stores:
        shutil.rmtree(store, ignore_errors=True)
        told(store.name, **built(given.source, store, given.preset, ahead=store.name == "ahead"))
    if digest(stores[0], EXACT) != digest(stores[1], EXACT):
        raise SystemExit("the two stores differ")
    if given.finished:
        photos, store = given.out / "tiny", given.out / "finished"
        draw(photos, given.finished)
        told("built or started again", **built(f"label-maps:{photos}", store, "appearance"))
        again = built(f"label-maps:{photos}", store, "appearance")
        told("started again", **again)
        if again["skipped"] != given.finished:
            raise SystemExit("finished images were done again")


if __name__ == "__main__":
    main()
