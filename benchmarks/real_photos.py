"""Real photos: what a preset without published weights reaches on CamVid and COCO, beside `appearance`.

    python benchmarks/real_photos.py --data ../shared/data --out /tmp/real_photos [--preset appearance]

Runs the commands that a person would run (they are printed) and writes OUT/real_photos.json and OUT/real_photos.md. Of
each data set two stores are built from the training photos: one of annotated masks, and one that is cut as the photos
are asked, each mask named by the majority of the annotation under it. The validation photos are asked with annotated
masks, and without their annotation: by the preset's own masks and by superpixels. Last, the seconds of processor time
for a COCO photo (`retclip segment`, the start of the program included), beside those of `appearance`.
Nothing was chosen on validation photos: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import retclip
from retclip.errors import RetCLIPError
from retclip.own_files import claim_folder

APPEARANCE, PHOTOS = "appearance", "photos"
ANNOTATED, SUPERPIXELS, TREE = "reference.ground_truth", "reference.superpixels", "regions.tree"
OWN = {APPEARANCE: SUPERPIXELS, PHOTOS: TREE}  # the masks of a preset
FIGURES = ("pq", "sq", "rq", "pq_things", "pq_stuff", "miou", "pixel_accuracy", "segment_accuracy", "images")
COLUMNS = {"PQ": "pq", "things": "pq_things", "stuff": "pq_stuff", "mIoU": "miou", "pixels right": "pixel_accuracy",
           "masks right": "segment_accuracy"}  # fmt: skip
Figures = dict[str, Any]


def command(*arguments: str) -> tuple[Figures, float]:
    """Run retclip; its JSON and how long it took."""
    print("$ retclip", shlex.join(arguments), flush=True)
    clock = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "retclip.cli", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), time.monotonic() - clock


def evaluated(source: str, store: Path, proposer: str) -> Figures:
    """PQ, mIoU and IoU per class of a source, asked with the masks of a proposer."""
    answer, seconds = command("evaluate", source, "--store", str(store), "--proposer", proposer)
    iou = {name: row["iou"] for name, row in answer["per_class"].items()}
    return {**{key: answer[key] for key in FIGURES}, "iou": iou, "seconds": seconds}


def data_set(address: str, store: Path, preset: str) -> Figures:
    """Both stores of the training part, evaluated on the other part."""
    train, val, own = f"{address}?split=train", f"{address}?split=val", OWN[preset]
    cut = store.with_name(f"{store.name}_cut")
    limit = () if own == SUPERPIXELS else ("--set", "build.max_segments=1200")  # of twice 600 superpixels all
    built, seconds = {}, {}
    for folder, proposer, more in ((store, ANNOTATED, ()), (cut, own, limit)):
        arguments = (train, "--store", str(folder), "--preset", preset, "--proposer", proposer, *more)
        built[folder], seconds[folder] = command("build", *arguments)
    asked = dict.fromkeys((own, SUPERPIXELS))
    return {
        "segments": built[store]["segments"], "segments_cut": built[cut]["segments"],
        "build_seconds": seconds[store], "build_seconds_cut": seconds[cut],
        "annotation": {name: evaluated(val, store, name) for name in (ANNOTATED, *asked)},
        own: {name: evaluated(val, cut, name) for name in asked},
    }  # fmt: skip


def seconds_per_photo(photos: Path, store: Path, out: Path) -> float:
    """Seconds of processor time for a photo, with every class of the store asked."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command("segment", str(photos), "--store", str(store), "--out", str(out))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / len(list(photos.iterdir()))


def speed(data: Path, out: Path, store: Path, preset: str) -> Figures:
    """Seconds per COCO photo of the preset and of `appearance`, from stores of annotated masks."""
    photos, plain = data / "coco_panoptic" / "images" / "val", out / "stores" / "coco_appearance"
    found = {preset: seconds_per_photo(photos, store, out / "segmented")}
    if preset != APPEARANCE:
        train = f"coco-panoptic:{data / 'coco_panoptic'}?split=train"
        command("build", train, "--store", str(plain), "--preset", APPEARANCE)
        found[APPEARANCE] = seconds_per_photo(photos, plain, out / "segmented_appearance")
    return found


def table(found: Figures) -> str:
    """The figures as Markdown."""
    lines = [f"| data | store of | asked with | {' | '.join(COLUMNS)} |", f"|---|---|---|{'---:|' * len(COLUMNS)}"]
    for name in ("camvid", "coco_panoptic"):
        for stored in ("annotation", OWN[found["preset"]]):
            for asked, row in found[name][stored].items():
                figures = " | ".join(f"{row[key]:.1f}" for key in COLUMNS.values())
                lines.append(f"| {name} ({row['images']} photos) | {stored} | {asked} | {figures} |")
    lines += ["", "Seconds of processor time for a photo: "]
    lines[-1] += ", ".join(f"{preset} {seconds:.2f}" for preset, seconds in found["seconds_per_photo"].items())
    return "\n".join(lines) + "\n"


def take_folder(out: Path) -> None:
    """Make the folder of the results; ends the program where it holds what no benchmark wrote."""
    try:
        claim_folder(out, "benchmarks")
    except RetCLIPError as error:
        raise SystemExit(str(error)) from error


def main() -> None:
    """Run everything and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("/tmp/real_photos"))
    parser.add_argument("--preset", default=PHOTOS, choices=[*OWN])
    given = parser.parse_args()
    clock, stores = time.monotonic(), given.out / "stores"
    take_folder(given.out)
    for folder in ("stores", "segmented", "segmented_appearance"):
        shutil.rmtree(given.out / folder, ignore_errors=True)
    found: Figures = {"retclip": retclip.__version__, "preset": given.preset}
    found["camvid"] = data_set(f"label-maps:{given.data / 'camvid'}", stores / "camvid", given.preset)
    found["coco_panoptic"] = data_set(f"coco-panoptic:{given.data / 'coco_panoptic'}", stores / "coco", given.preset)
    found["seconds_per_photo"] = speed(given.data, given.out, stores / "coco", given.preset)
    found["seconds"] = time.monotonic() - clock
    (given.out / "real_photos.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (given.out / "real_photos.md").write_text(table(found), encoding="utf-8")
    print(table(found))
    print(f"all of it took {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
