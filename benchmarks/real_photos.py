"""Real photos: what a preset without published weights reaches on CamVid and COCO, beside `appearance`.

    python benchmarks/real_photos.py --data ../shared/data --out /tmp/real_photos [--preset appearance]

Runs the commands that a person would run (they are printed) and writes OUT/real_photos.json and OUT/real_photos.md. Of
each data set two stores are built from the training photos: one by the preset's own masks, cut as the photos are asked
(each named by the majority of the annotation under it), and one of annotated masks alone. The validation photos are
asked with annotated masks, and without their annotation: by the preset's own masks and by superpixels. Last, the
seconds of processor time for a COCO photo (`retclip segment`, the start of the program included), beside those of
`appearance`.
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
READERS = {"coco_panoptic": "coco-panoptic", "camvid": "label-maps"}
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
    found: Figures = {}
    for stored, proposer, asked in (
        (own, own, dict.fromkeys((own, ANNOTATED, SUPERPIXELS))),
        ("annotation", ANNOTATED, (ANNOTATED, own)),
    ):
        folder = store if stored == own else store.with_name(f"{store.name}_annotation")
        arguments = (train, "--store", str(folder), "--preset", preset, "--proposer", proposer)
        built, seconds = command("build", *arguments)
        figures = {name: evaluated(val, folder, name) for name in asked}
        found[stored] = {"segments": built["segments"], "build_seconds": seconds, "asked": figures}
    return found


def seconds_per_photo(photos: Path, store: Path, out: Path) -> float:
    """Seconds of processor time for a photo, with every class of the store asked."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command("segment", str(photos), "--store", str(store), "--out", str(out))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / len(list(photos.iterdir()))


def speed(data: Path, out: Path, preset: str) -> Figures:
    """Seconds per COCO photo of the preset and of `appearance`, from stores of annotated masks."""
    photos, found = data / "coco_panoptic" / "images" / "val", {}
    for name in dict.fromkeys((preset, APPEARANCE)):
        store = out / "stores" / ("coco_panoptic_annotation" if name == preset else name)
        if name != preset:
            train = f"coco-panoptic:{data / 'coco_panoptic'}?split=train"
            command("build", train, "--store", str(store), "--preset", name)
        found[name] = seconds_per_photo(photos, store, out / f"segmented_{name}")
    return found


def table(found: Figures) -> str:
    """The figures as Markdown."""
    lines = [f"| data | store of | asked with | {' | '.join(COLUMNS)} |", f"|---|---|---|{'---:|' * len(COLUMNS)}"]
    for name, stores in found["data_sets"].items():
        for stored, part in stores.items():
            for asked, row in part["asked"].items():
                figures = " | ".join("-" if row[key] is None else f"{row[key]:.1f}" for key in COLUMNS.values())
                lines.append(f"| {name} ({row['images']} photos) | {stored} | {asked} | {figures} |")
    spent = ", ".join(f"{preset} {seconds:.2f}" for preset, seconds in found["seconds_per_photo"].items())
    return "\n".join([*lines, "", f"Seconds of processor time for a photo: {spent}", ""])


def arguments(about: str | None, out: str, data: str = "../shared/data") -> argparse.ArgumentParser:
    """The options that the benchmarks on photos share: --data and --out. about: what `--help` says."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(data))
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def take_folder(out: Path) -> None:
    """Make the folder of the results; ends the program where it holds what no benchmark wrote."""
    try:
        claim_folder(out, "benchmarks")
    except RetCLIPError as error:
        raise SystemExit(str(error)) from error


def main() -> None:
    """Run everything and write it down."""
    parser = arguments(__doc__, "/tmp/real_photos")
    parser.add_argument("--preset", default=PHOTOS, choices=[*OWN])
    parser.add_argument("--only", default="", choices=[*READERS], help="one data set, no seconds per photo")
    given = parser.parse_args()
    clock, stores = time.monotonic(), given.out / "stores"
    take_folder(given.out)
    for folder in ("stores", *(f"segmented_{name}" for name in OWN)):
        shutil.rmtree(given.out / folder, ignore_errors=True)
    found: Figures = {"retclip": retclip.__version__, "preset": given.preset}
    found["data_sets"] = {
        name: data_set(f"{reader}:{given.data / name}", stores / name, given.preset)
        for name, reader in READERS.items()
        if given.only in ("", name)
    }
    found["seconds_per_photo"] = speed(given.data, given.out, given.preset) if not given.only else {}
    found["seconds"] = time.monotonic() - clock
    (given.out / "real_photos.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (given.out / "real_photos.md").write_text(table(found), encoding="utf-8")
    print(table(found))
    print(f"all of it took {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
