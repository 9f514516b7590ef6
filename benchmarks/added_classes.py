"""Two classes added to a store of CamVid photos, by the exact backbone or another preset, and what that changes.

    python benchmarks/added_classes.py --data ../shared/data --out /tmp/added_classes [--preset photos]

Runs the commands that a person would run (they are printed) and writes OUT/added_classes.json:
1. CamVid without Bicyclist and Pedestrian, evaluated; both added from the training images; evaluated again.
2. The most confident wrong label of a validation segment, explained as a picture.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from real_photos import ANNOTATED, Figures, arguments, command, evaluated, take_folder
from sqlalchemy import text

import retclip
from retclip.store.sql.engine import transaction

ADDED = ("Bicyclist", "Pedestrian")
CUT = ("--proposer", ANNOTATED)  # of the store
PROPOSERS = {"annotation": ANNOTATED, "superpixels": "reference.superpixels"}


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


def by_proposer(address: str, store: Path) -> Figures:
    """The figures of the validation images with annotated masks and with superpixels."""
    return {name: evaluated(f"{address}?split=val", store, proposer) for name, proposer in PROPOSERS.items()}


def incremental(address: str, store: Path, preset: str) -> Figures:
    """Two classes left out, then added one by one; seconds beside those that a build needs for the same images."""
    without = [part for name in ADDED for part in ("--without", name)]
    built, seconds = command(
        "build", f"{address}?split=train", "--store", str(store), "--preset", preset, *CUT, *without
    )
    per_image = seconds / built["images"]
    before, vectors = by_proposer(address, store), stored_vectors(store)
    added = {}
    for name in ADDED:
        report, seconds = command("class", "add", name, f"{address}?split=train", "--store", str(store))
        own = report["images"] * per_image
        added[name] = {"segments": report["segments"], "images": report["images"], "seconds": seconds,
                       "images_own_seconds": own, "beyond_own_seconds": seconds - own}  # fmt: skip
    after, now = by_proposer(address, store), stored_vectors(store)
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
    from retclip.data.images import write_png
    from retclip.report.explanation import picture as drawn
    from retclip.workflows.explain.explain import explain

    settings = {"components": {"proposer": ANNOTATED}}
    with retclip.open(store, settings=settings) as memory:
        source = memory.source(f"{address}?split=val")
        names = [one.name for one in source.classes()]
        found = (one for record in source.images() for one in mistakes(memory, record.load(), names))
        score, result, segment, mask, wanted = max(found, key=lambda one: one[0])
        why = explain(memory.store, result.panoptic, result.evidence, segment.id, mask)
        write_png(picture, drawn(memory.store, result.panoptic, why))
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


def main() -> None:
    """Run both and write them down."""
    parser = arguments(__doc__, "/tmp/added_classes")
    parser.add_argument("--preset", default="appearance", choices=["appearance", "photos"])
    given = parser.parse_args()
    camvid, store = f"label-maps:{given.data / 'camvid'}", given.out / "store"
    take_folder(given.out)
    shutil.rmtree(store, ignore_errors=True)
    found: Figures = {"retclip": retclip.__version__, "preset": given.preset}
    found["incremental"] = incremental(camvid, store, given.preset)
    found["mistake"] = most_confident_mistake(camvid, store, given.out / "mistake.png")
    (given.out / "added_classes.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps({key: found["incremental"][key] for key in list(found["incremental"])[2:]}, indent=1))
    print(json.dumps(found["mistake"]))


if __name__ == "__main__":
    main()
