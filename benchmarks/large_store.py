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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sqlalchemy import text

import retclip
from retclip.data import rle
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import digest, recipe_fingerprint, unit_key
from retclip.store.records import NewSegment, RunPlan, UnitResult
from retclip.store.sql.engine import transaction
from retclip.store.states import LabelSource, RunKind, RunState

CLASSES, PER_IMAGE, SIDE = 50, 20, 16
PROPOSER, NEW = "reference.ground_truth", "kite"
TABLES = {  # of what was there before: everything, in order
    "segment": "SELECT * FROM segment WHERE id <= :last ORDER BY id",
    "mask": "SELECT * FROM mask WHERE segment_id <= :last ORDER BY segment_id, number",
    "fact": "SELECT * FROM segment_fact WHERE segment_id <= :last ORDER BY id",
    "vector": "SELECT * FROM segment_feature WHERE segment_id <= :last ORDER BY segment_id, space_id",
    "category": "SELECT id, name, name_key, is_thing, merged_into_id FROM category WHERE id <= :classes ORDER BY id",
}


def images(count: int, space: Any, recipe: str) -> Iterator[UnitResult]:
    """Made-up images of PER_IMAGE segments each, their vectors around their class's own."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, space.dim)).astype(np.float32)
    square = rle.encode(np.ones((SIDE, SIDE), dtype=bool))["counts"].encode()
    for number in range(count):
        sha = digest("made up", str(number))
        labels = rng.integers(0, CLASSES, PER_IMAGE)
        vectors = centres[labels] + rng.normal(scale=0.5, size=(PER_IMAGE, space.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        counted: dict[int, int] = {}
        segments = []
        for label in labels.tolist():
            ordinal = counted[label] = counted.get(label, -1) + 1
            box = (0, 0, SIDE, SIDE)
            segments.append(
                NewSegment(f"class {label}", ordinal, box, SIDE * SIDE, 1.0, square, LabelSource.ANNOTATION, 1.0)
            )
        names = tuple(sorted({one.prompt for one in segments}))
        key = unit_key(sha, "", recipe, space.id, names)
        yield UnitResult(key, recipe, f"{number}.png", f"/none/{number}.png", sha, (SIDE, SIDE), names,
                         tuple(segments), vectors.astype(np.float32))  # fmt: skip


def fill(store: FeatureStore, space: Any, count: int) -> None:
    """Put `count` segments into the store, 16 images to a commit."""
    recipe = recipe_fingerprint(PROPOSER, "made up", {})
    run = store.runs.start(RunPlan(RunKind.BUILD, "made up", "made up", PROPOSER, "0", {}, recipe, space, {}, "0"))
    group: list[UnitResult] = []
    for one in images(count // PER_IMAGE, space, recipe):
        group.append(one)
        if len(group) == 64:
            store.runs.commit(run, group, {})
            group = []
    if group:
        store.runs.commit(run, group, {})
    store.runs.finish(run, RunState.FINISHED, {})


def rows(folder: Path, last: int, classes: int) -> dict[str, str]:
    """sha256 of every table's rows of what was there before."""
    with FeatureStore.open(folder) as store, transaction(store.engine) as connection:
        found = {}
        for name, query in TABLES.items():
            hashed = hashlib.sha256()
            for row in connection.execute(text(query), {"last": last, "classes": classes}):
                hashed.update(repr(tuple(row)).encode())
            found[name] = hashed.hexdigest()[:12]
    return found


def near(folder: Path, vector: torch.Tensor) -> dict[str, int]:
    """Which classes the 16 nearest segments have, asked of the index on disk."""
    with FeatureStore.open(folder) as store:
        known = store.classes.all()
        found = store.nearest(vector, [one.id for one in known], 16, False)
        named = [known[int(n)].name for n in found.classes[0] if int(n) >= 0]
    return {name: named.count(name) for name in sorted(set(named))}


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-large-") as place:
        folder = Path(place) / "store"
        source = f"reference.scenes:{place}/scenes?split=train&count=12&width=96&height=64"
        clock = time.monotonic()
        with retclip.open(folder, preset="appearance", create=True) as memory:
            space = memory.session.builder().keys.component.space
            fill(memory.store, space, given.segments)
            with transaction(memory.store.engine) as connection:
                last = connection.execute(text("SELECT max(id) FROM segment")).scalar_one()
                classes = connection.execute(text("SELECT max(id) FROM category")).scalar_one()
            scene = next(one for one in memory.source(source).images() if NEW in (one.class_names or ()))
            from retclip.types import Vocabulary
            from retclip.workflows.segment.describe_image import keys_of, proposals_of

            parts = memory.session.builder()
            image = scene.load()
            ((features, masks),) = proposals_of(parts, [image], Vocabulary((NEW,), (True,)))
            vector = keys_of(parts, image, features, masks, None).vectors[:1]
        answer: dict[str, Any] = {"segments": last, "classes": classes, "fill_seconds": time.monotonic() - clock}
        before, asked = rows(folder, last, classes), near(folder, vector)
        added, answer["add_seconds"] = command(
            "class", "add", NEW, source, "--store", str(folder), "--preset", "appearance"
        )
        answer["added"] = added["segments"]
        answer["others_changed"] = [name for name, one in rows(folder, last, classes).items() if before[name] != one]
        answer["near_before"], answer["near_after"] = asked, near(folder, vector)
        (event,) = [
            one["id"] for one in command("class", "history", "--store", str(folder))[0] if one["action"] == "class.add"
        ]
        undone, answer["undo_seconds"] = command("undo", str(event), "--store", str(folder))
        answer["undone"] = undone["segments"]
        answer["left_changed"] = [name for name, one in rows(folder, last, classes).items() if before[name] != one]
        answer["near_undone"] = near(folder, vector)
        listed, _ = command("class", "list", "--store", str(folder))
        answer["still_listed"] = any(one["name"] == NEW and one["segments"] for one in listed)
        doctor = [sys.executable, "-m", "retclip.cli", "doctor", "--store", str(folder)]
        answer["doctor"] = subprocess.run(doctor, capture_output=True).returncode
    print(json.dumps({key: round(one, 1) if isinstance(one, float) else one for key, one in answer.items()}))
    wrong = answer["others_changed"] or answer["left_changed"] or answer["still_listed"] or answer["doctor"]
    seen = answer["near_after"].get(NEW, 0) > answer["near_before"].get(NEW, 0) and answer["near_undone"] == asked
    sys.exit(1 if wrong or not seen else 0)


if __name__ == "__main__":
    main()
