"""A class added to a store of 200,000 segments: what else changes, when it is visible, and what one undo leaves.

    python benchmarks/large_store.py --segments 200000

The store is filled through the store's own door with made-up vectors of 50 classes. Then `retclip class add` adds a
class from a few drawn scenes, a query looks for it, and `retclip undo` takes it back. Every row of every other segment,
class, label and vector is compared before, between and after. Prints one JSON line; exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_up_images import image, plan
from sqlalchemy import text

import retclip
from retclip.store.feature_store import FeatureStore
from retclip.store.records import UnitResult
from retclip.store.sql.engine import transaction
from retclip.store.states import RunState
from retclip.types import FeatureSpace

CLASSES, PER_IMAGE = 50, 20
PROPOSER, NEW = "reference.ground_truth", "kite"
TABLES = {  # of what was there before: everything, in order
    "segment": "SELECT * FROM segment WHERE id <= :last ORDER BY id",
    "mask": "SELECT * FROM mask WHERE segment_id <= :last ORDER BY segment_id, number",
    "fact": "SELECT * FROM segment_fact WHERE segment_id <= :last ORDER BY id",
    "vector": "SELECT * FROM segment_feature WHERE segment_id <= :last ORDER BY segment_id, space_id",
    "category": "SELECT id, name, name_key, is_thing, merged_into_id FROM category WHERE id <= :classes ORDER BY id",
}


def images(count: int, space: FeatureSpace) -> Iterator[UnitResult]:
    """Made-up images of PER_IMAGE segments each, their vectors around their class's own."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, space.dim)).astype(np.float32)
    for number in range(count):
        labels = rng.integers(0, CLASSES, PER_IMAGE)
        vectors = centres[labels] + rng.normal(scale=0.5, size=(PER_IMAGE, space.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield image(number, [f"class {label}" for label in labels.tolist()], vectors.astype(np.float32), space)


def fill(store: FeatureStore, space: FeatureSpace, count: int, held: int = 0) -> None:
    """Put segments into the store until it has `count`, 64 images to a commit; it holds `held` of them."""
    run = store.runs.start(plan(space, proposer=PROPOSER))
    units = islice(images(count // PER_IMAGE, space), held // PER_IMAGE, None)
    while group := list(islice(units, 64)):
        store.runs.commit(run, group, {})
    store.runs.finish(run, RunState.FINISHED, {})


def rows(folder: Path, last: int, classes: int) -> dict[str, str]:
    """sha256 of every table's rows of what was there before."""
    with FeatureStore.open(folder) as store, transaction(store.engine) as connection:
        digests = {}
        for name, query in TABLES.items():
            hashed = hashlib.sha256()
            for row in connection.execute(text(query), {"last": last, "classes": classes}):
                hashed.update(repr(tuple(row)).encode())
            digests[name] = hashed.hexdigest()[:12]
    return digests


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tables whose rows differ."""
    return [name for name, digest in after.items() if before[name] != digest]


def near(folder: Path, vector: torch.Tensor) -> dict[str, int]:
    """Which classes the 16 nearest segments have, asked of the index on disk."""
    with FeatureStore.open(folder) as store:
        known = store.classes.all()
        neighbours = store.nearest(vector, [store_class.id for store_class in known], 16, False)
    return dict(sorted(Counter(known[int(n)].name for n in neighbours.classes[0] if int(n) >= 0).items()))


def command(*arguments: str) -> tuple[Any, float]:
    """A retclip command's JSON and its seconds."""
    clock = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "retclip.cli", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), time.monotonic() - clock


def main() -> None:
    """Fill, add, look, undo, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-large-") as place:
        folder = Path(place) / "store"
        source = f"reference.scenes:{place}/scenes?split=train&count=12&width=96&height=64"
        clock = time.monotonic()
        with retclip.open(folder, preset="appearance", create=True) as memory:
            space = memory.session.builder().keys.component.space
            fill(memory.store, space, options.segments)
            with transaction(memory.store.engine) as connection:
                last = connection.execute(text("SELECT max(id) FROM segment")).scalar_one()
                classes = connection.execute(text("SELECT max(id) FROM category")).scalar_one()
            scene = next(photo for photo in memory.source(source).images() if NEW in (photo.class_names or ()))
            from retclip.types import Vocabulary
            from retclip.workflows.segment.describe_image import keys_of, proposals_of

            parts = memory.session.builder()
            photo = scene.load()
            ((features, masks),) = proposals_of(parts, [photo], Vocabulary((NEW,), (True,)))
            vector = keys_of(parts, photo, features, masks, None).vectors[:1]
        answer: dict[str, Any] = {"segments": last, "classes": classes, "fill_seconds": time.monotonic() - clock}
        before, asked = rows(folder, last, classes), near(folder, vector)
        added, answer["add_seconds"] = command(
            "class", "add", NEW, source, "--store", str(folder), "--preset", "appearance"
        )
        answer["added"] = added["segments"]
        answer["others_changed"] = changed(before, rows(folder, last, classes))
        answer["near_before"], answer["near_after"] = asked, near(folder, vector)
        history, _ = command("class", "history", "--store", str(folder))
        (event,) = [event["id"] for event in history if event["action"] == "class.add"]
        undone, answer["undo_seconds"] = command("undo", str(event), "--store", str(folder))
        answer["undone"] = undone["segments"]
        answer["left_changed"] = changed(before, rows(folder, last, classes))
        answer["near_undone"] = near(folder, vector)
        listed, _ = command("class", "list", "--store", str(folder))
        answer["still_listed"] = any(row["name"] == NEW and row["segments"] for row in listed)
        doctor = [sys.executable, "-m", "retclip.cli", "doctor", "--store", str(folder)]
        answer["doctor"] = subprocess.run(doctor, capture_output=True).returncode
    print(json.dumps({key: round(value, 1) if isinstance(value, float) else value for key, value in answer.items()}))
    wrong = answer["others_changed"] or answer["left_changed"] or answer["still_listed"] or answer["doctor"]
    seen = answer["near_after"].get(NEW, 0) > answer["near_before"].get(NEW, 0) and answer["near_undone"] == asked
    sys.exit(1 if wrong or not seen else 0)


if __name__ == "__main__":
    main()
