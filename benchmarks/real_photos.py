"""Real photos: what retrieval alone reaches, by the exact backbone or another preset, and what adding a class changes.

    python benchmarks/real_photos.py --data ../shared/data --out /tmp/real_photos [--preset photos]

Runs the commands that a person would run (they are printed) and writes OUT/real_photos.json and OUT/real_photos.md:
1. CamVid: a store from the training images' annotated masks, the validation images evaluated with annotated masks and
   with superpixels; a store of the training images' superpixels, each named by the majority of the annotation under it,
   the validation images evaluated with superpixels.
2. COCO panoptic: the same.
3. CamVid without Bicyclist and Pedestrian, evaluated; both added from the training images; evaluated again.
4. The most confident wrong label of a validation segment, explained as a picture.
Nothing was chosen on validation images: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

import retclip
from retclip.errors import RetCLIPError
from retclip.own_files import claim_folder
from retclip.store.sql.engine import transaction

ADDED = ("Bicyclist", "Pedestrian")
PROPOSERS = {"annotation": "reference.ground_truth", "superpixels": "reference.superpixels"}
ALIKE = "superpixels, the store's too"
Figures = dict[str, Any]


def command(*arguments: str) -> tuple[Figures, float]:
    """Run retclip; its JSON and how long it took."""
    print("$ retclip", shlex.join(arguments), flush=True)
    clock = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "retclip.cli", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), time.monotonic() - clock


def evaluated(source: str, store: Path, names: Collection[str] = tuple(PROPOSERS)) -> Figures:
    """PQ, mIoU and IoU per class for each proposer."""
    found = {}
    for name in names:
        proposer = PROPOSERS[name]
        answer, seconds = command("evaluate", source, "--store", str(store), "--proposer", proposer)
        keys = ("pq", "sq", "rq", "pq_things", "pq_stuff", "miou", "pixel_accuracy", "segment_accuracy", "images")
        iou = {one: row["iou"] for one, row in answer["per_class"].items()}
        found[name] = {**{key: answer[key] for key in keys}, "iou": iou, "seconds": seconds}
    return found


def data_set(address: str, store: Path, preset: str) -> Figures:
    """A store from the training part, evaluated on the other; and one that is cut as the other is."""
    train, val, alike = f"{address}?split=train", f"{address}?split=val", store.with_name(f"{store.name}_alike")
    built, seconds = command("build", train, "--store", str(store), "--preset", preset)
    cut = command("build", train, "--store", str(alike), "--preset", preset, "--proposer", PROPOSERS["superpixels"])[0]
    return {"segments": built["segments"], "build_seconds": seconds, "images": built["images"],
            "segments_alike": cut["segments"], "passed_over_alike": cut["passed_over"], **evaluated(val, store),
            ALIKE: evaluated(val, alike, ["superpixels"])["superpixels"]}  # fmt: skip


def stored_vectors(store: Path) -> dict[str, tuple[str, str]]:
    """Per segment its class and the bytes of its vector."""
    query = text(
        "SELECT s.point_id, c.name, h.sha256, f.row_no FROM segment s JOIN category c ON c.id = s.category_id "
        "JOIN segment_feature f ON f.segment_id = s.id AND f.mask_no = s.mask_no "
        "JOIN feature_shard h ON h.id = f.shard_id"
    )
    with retclip.open(store) as memory, transaction(memory.store.engine) as connection:
        shards: dict[str, Any] = {}
        found = {}
        for point_id, name, shard, row in connection.execute(query):
            if shard not in shards:
                shards[shard] = np.load(memory.store.archive.path(shard), allow_pickle=False)
            found[point_id.hex()] = (name, shards[shard][row].tobytes().hex())
    return found


def incremental(address: str, store: Path, per_image: float, preset: str) -> Figures:
    """Two classes left out, then added one by one. per_image: seconds that a build needs for an image."""
    without = [part for name in ADDED for part in ("--without", name)]
    command("build", f"{address}?split=train", "--store", str(store), "--preset", preset, *without)
    before, vectors = evaluated(f"{address}?split=val", store), stored_vectors(store)
    added = {}
    for name in ADDED:
        report, seconds = command("class", "add", name, f"{address}?split=train", "--store", str(store))
        own = report["images"] * per_image
        added[name] = {"segments": report["segments"], "images": report["images"], "seconds": seconds,
                       "images_own_seconds": own, "beyond_own_seconds": seconds - own}  # fmt: skip
    after, now = evaluated(f"{address}?split=val", store), stored_vectors(store)
    changed = sum(now.get(one) != known for one, known in vectors.items())
    new_of_others = sum(known[0] not in ADDED for one, known in now.items() if one not in vectors)
    losses = {
        name: max((before[name]["iou"][one] or 0) - (after[name]["iou"][one] or 0)
                  for one in before[name]["iou"] if one not in ADDED)
        for name in PROPOSERS
    }  # fmt: skip
    return {"before": before, "after": after, "added": added, "vectors_before": len(vectors),
            "vectors_changed": changed, "new_vectors_of_other_classes": new_of_others,
            "largest_loss_of_another_class": losses}  # fmt: skip


def most_confident_mistake(address: str, store: Path, picture: Path) -> Figures:
    """Explain the wrong label with the highest score, on annotated masks of at least 2,000 pixels."""
    from retclip.report.explanation import save_picture
    from retclip.workflows.explain.explain import explain

    settings = {"components": {"proposer": PROPOSERS["annotation"]}}
    with retclip.open(store, settings=settings) as memory:
        source = memory.source(f"{address}?split=val")
        names = [one.name for one in source.classes()]
        found = (one for record in source.images() for one in mistakes(memory, record.load(), names))
        score, result, segment, mask, wanted = max(found, key=lambda one: one[0])
        why = explain(memory.store, result.panoptic, result.evidence, segment.id, mask)
        save_picture(picture, memory.store, result.panoptic, why)
        return {"image": Path(why.image_uri).name, "truth": wanted, "label": segment.class_name, "score": score,
                "votes": why.votes(), "picture": picture.name}  # fmt: skip


def mistakes(memory: Any, image: Any, names: list[str]) -> Iterator[tuple[float, Any, Any, int, str]]:
    """(score, result, segment, mask, right class) of each annotated mask that got a wrong label."""
    result = memory.segment(image, names)
    labelled, truth = {one.id: one for one in result.segments}, {one.id: one for one in image.truth.segments}
    for mask in set(result.mask_map[result.mask_map >= 0].tolist()):
        mine = result.mask_map == mask
        segment = labelled[int(result.label_map[mine][0])]
        wanted = truth.get(int(np.bincount(image.truth.label_map[mine]).argmax()))
        if mine.sum() >= 2000 and wanted and wanted.class_name != segment.class_name:
            yield float(result.evidence.combined[mask].max()), result, segment, mask, wanted.class_name


def table(found: Figures) -> str:
    """The figures as Markdown."""
    lines = ["| data | masks | PQ | SQ | RQ | mIoU | segment accuracy |", "|---|---|---:|---:|---:|---:|---:|"]
    for name in ("camvid", "coco_panoptic"):
        for proposer in (*PROPOSERS, ALIKE):
            row = found[name][proposer]
            figures = " | ".join(f"{row[key]:.1f}" for key in ("pq", "sq", "rq", "miou", "segment_accuracy"))
            lines.append(f"| {name} ({row['images']} photos) | {proposer} | {figures} |")
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
    parser.add_argument("--preset", default="appearance", choices=["appearance", "photos"])
    given = parser.parse_args()
    camvid, coco = f"label-maps:{given.data / 'camvid'}", f"coco-panoptic:{given.data / 'coco_panoptic'}"
    take_folder(given.out)
    shutil.rmtree(given.out / "stores", ignore_errors=True)
    stores = given.out / "stores"
    found: Figures = {"retclip": retclip.__version__, "preset": given.preset}
    found["camvid"] = data_set(camvid, stores / "camvid", given.preset)
    found["coco_panoptic"] = data_set(coco, stores / "coco", given.preset)
    per_image = found["camvid"]["build_seconds"] / found["camvid"]["images"]
    found["incremental"] = incremental(camvid, stores / "incremental", per_image, given.preset)
    found["mistake"] = most_confident_mistake(camvid, stores / "camvid", given.out / "mistake.png")
    (given.out / "real_photos.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (given.out / "real_photos.md").write_text(table(found), encoding="utf-8")
    print(table(found))
    print(json.dumps({key: found["incremental"][key] for key in list(found["incremental"])[2:]}, indent=1))
    print(json.dumps(found["mistake"]))


if __name__ == "__main__":
    main()
