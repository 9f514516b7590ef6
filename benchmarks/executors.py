"""The same store whoever builds it, and what it is worth: by this process, by two, by two actors of Ray; from scenes
with annotated masks, and from the same scenes with nothing but the names of what they show.

    python benchmarks/executors.py --out /tmp/executors

With image-level labels the masks are the proposer's (the miniature's fine-tuned head), each named by the nearest
present class. Segments are compared one by one: ids and classes must be equal; whether image, box, area, mask and the
checksum of the stored vector are, too, is told. Runs the commands that a person would run; stops with a message where
two stores differ. Needs `retclip[ray]`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from real_photos import command, take_folder
from sqlalchemy import text

from retclip.store.feature_store import FeatureStore
from retclip.store.sql.engine import transaction

EXECUTORS = {
    "this process": (),
    "two processes": ("--workers", "2"),
    "two actors of Ray": ("--executor", "ray", "--workers", "2"),
}
LABELS_ONLY = ("--set", "build.proposer=mask2former.queries")
EXACT = (
    "SELECT s.point_id, i.sha256, c.name, m.x, m.y, m.width, m.height, m.area, m.rle, f.crc32 FROM segment s "
    "JOIN mask m ON m.segment_id = s.id AND m.number = s.mask_no "
    "JOIN image i ON i.id = s.image_id JOIN category c ON c.id = s.category_id "
    "JOIN segment_feature f ON f.segment_id = s.id AND f.mask_no = s.mask_no "
    "WHERE s.status = 0"
)
COUNTED = "SELECT s.point_id, c.name FROM segment s JOIN category c ON c.id = s.category_id WHERE s.status = 0"


def digest(store: Path, query: str) -> str:
    """sha256 over every row that the query answers, in the order of their ids."""
    with FeatureStore.open(store) as opened, transaction(opened.engine) as connection:
        rows = sorted(tuple(row) for row in connection.execute(text(query)))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:12]


def measured(out: Path, stored: int, shown: int) -> list[dict[str, Any]]:
    """A row per world and executor."""
    scenes, rows = f"miniature.scenes:{out / 'scenes'}?", []
    worlds = {
        "annotated masks": (f"{scenes}split=store&count={stored}",),
        "image-level labels": (f"{scenes}split=store&labels=names&count={stored}", *LABELS_ONLY),
    }
    for world, source in worlds.items():
        for name, flags in EXECUTORS.items():
            store = out / f"{world} {name}".replace(" ", "_")
            shutil.rmtree(store, ignore_errors=True)
            built, seconds = command("build", *source, *flags, "--preset", "miniature", "--store", str(store))
            test = f"{scenes}split=test&count={shown}"
            worth, _ = command("evaluate", test, "--preset", "miniature-retrieval", "--store", str(store))
            both, _ = command("evaluate", test, "--preset", "miniature", "--store", str(store))
            rows.append(
                {"world": world, "executor": name, "segments": built["segments"], "seconds": round(seconds, 1),
                 "ids": digest(store, COUNTED), "everything": digest(store, EXACT), "retrieval_pq": worth["pq"],
                 "retrieval_miou": worth["miou"], "retclip_pq": both["pq"], "retclip_miou": both["miou"]}
            )  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run, write down, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/executors"))
    parser.add_argument("--stored", type=int, default=200, help="scenes in each store")
    parser.add_argument("--shown", type=int, default=60, help="test scenes")
    given = parser.parse_args()
    take_folder(given.out)
    rows = measured(given.out, given.stored, given.shown)
    (given.out / "executors.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    for world in {row["world"] for row in rows}:
        several = {(row["segments"], row["ids"]) for row in rows if row["world"] == world}
        if len(several) != 1:
            raise SystemExit(f"the stores of {world} differ in ids or counts: {sorted(several)}")


if __name__ == "__main__":
    main()
