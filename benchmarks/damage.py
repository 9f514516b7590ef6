"""Damage a store file by file and bit by bit: what doctor says, what the store answers, what a repair makes of it.

    python benchmarks/damage.py --catalog 136

Every file of the embedded index and of the archive loses a bit, its head, its second half, itself; of the catalog one
bit of a byte in use is turned, at random places. Every look at a damaged store is a process of its own, forked from a
parent that has imported everything and computed nothing: a damaged memory map may kill it. Prints a table and one JSON
line; exit code 1 where an answer was wrong and doctor said nothing, where a repair made a right answer wrong, or where
an error was not the store's own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import retclip
import retclip.engine
import retclip.workflows.building.build_store
from retclip.errors import RetCLIPError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import sync, wanted_points
from retclip.store.index.edge import EdgeIndex  # noqa: F401  (imported before the forks, used after them)
from retclip.workflows.doctor.doctor import check_store

HEAD = 512  # bytes
SCENES = "reference.scenes:scenes?split=train&count=14&width=96&height=72"
Damage = tuple[str, str, Callable[[Path], None]]  # which part of the store, what is done to which file, doing it
COLUMNS = (
    "damages", "harmless", "told by doctor", "mended by --repair", "left to a backup or a build",
    "silent wrong answers", "repairs that made a right answer wrong", "errors that are not the store's own",
    "processes killed",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalog", type=int, default=136, help="bits of the catalog that are turned")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="index, archive or catalog")
    parser.add_argument("--verbose", action="store_true", help="a line for each damage")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="retclip-damage-") as folder:
        base, hurt = Path(folder) / "base", Path(folder) / "hurt"
        for kind, said in (apart(partial(build, base)), asked := apart(partial(questions, base))):
            if kind in ("raw", "killed"):
                sys.exit(f"no store to damage: {said}")
        queries = asked[1]
        right = apart(partial(answers, base, queries))
        if right[0] != "answer":
            sys.exit(f"a whole store does not answer: {right[1]}")
        tally: dict[str, Counter[str]] = {}
        for part, what, action in damages(base, args.catalog, random.Random(args.seed)):
            if args.only and args.only != part:
                continue
            shutil.rmtree(hurt, ignore_errors=True)
            subprocess.run(["cp", "-a", "--sparse=always", str(base), str(hurt)], check=True)
            action(hurt)
            outcome = look(hurt, queries, right)
            tally.setdefault(part, Counter()).update(outcome)
            if args.verbose or set(outcome) & set(COLUMNS[5:]):
                print(f"{part}: {what}: {', '.join(outcome)}", file=sys.stderr, flush=True)
    report(tally)


def build(folder: Path) -> None:
    """A store with every kind of edit behind it."""
    torch.set_num_threads(1)
    with retclip.open(folder, create=True, settings={"preset": "appearance", "build": {"commit_images": 2}}) as memory:
        memory.build(SCENES.replace("scenes?", f"{folder.parent / 'scenes'}?"))
        names = [one.name for one in memory.store.classes.all() if one.segments]
        classes = memory.store.classes
        classes.rename(names[0], "renamed", "ann")
        classes.add_alias(names[1], "other name", "ann")
        classes.merge(names[2], names[3], "ann")
        classes.remove(names[4], "ann")


def questions(folder: Path) -> tuple[str, Any]:
    """Every fourth stored vector."""
    with FeatureStore.open(folder) as store:
        projection = store.projection()
        points = [one for page in wanted_points.all_points(store.engine, projection.space_id) for one in page]
        return "queries", torch.from_numpy(sync.archived(projection, points[::4]))


def answers(folder: Path, queries: torch.Tensor) -> tuple[str, Any]:
    """Everything that the store says: neighbours, classes, segments with their masks, history, decisions. Or its own
    error."""
    torch.set_num_threads(1)
    try:
        with FeatureStore.open(folder) as store:
            classes = store.classes.all()
            near = store.nearest(queries, [one.id for one in classes], 8, per_class=False)
            ids = sorted({one for one in near.ids.ravel() if one is not None})
            masks = [store.segments.mask(one) for one in ids]
            past = store.classes.history(), store.matches.history()
            said = (classes, near.ids.tolist(), near.classes.tolist(), store.segments.get(ids), masks, past)
            return "answer", pickle.dumps(said)
    except RetCLIPError as error:
        return "error", f"{type(error).__name__}: {error}"


def doctored(folder: Path, repair: bool) -> tuple[str, Any]:
    """What doctor finds wrong with the store."""
    torch.set_num_threads(1)
    found = check_store(folder, StoreOptions(), repair)
    return "doctor", [(one.what, one.found) for one in found if not one.ok and one.what != "disk"]


def apart(work: Callable[[], tuple[str, Any] | None]) -> tuple[str, Any]:
    """The work's result, from a process of its own; ("raw", traceback) or ("killed", signal) where there is none."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiving)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the engine writes its panics there
        try:
            result = work() or ("done", None)
        except BaseException:
            result = ("raw", traceback.format_exc(limit=-3))
        with os.fdopen(sending, "wb") as file:
            pickle.dump(result, file)
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as file:
        written = file.read()
    _, status = os.waitpid(child, 0)
    return pickle.loads(written) if written else ("killed", os.waitstatus_to_exitcode(status))


def look(folder: Path, queries: torch.Tensor, right: tuple[str, Any]) -> list[str]:
    """What is to be counted of a damaged store."""
    told = apart(partial(doctored, folder, False))
    before = apart(partial(answers, folder, queries))
    mended = apart(partial(doctored, folder, True))
    again = apart(partial(doctored, folder, False))
    after = apart(partial(answers, folder, queries))
    seen = [told, before, mended, again, after]
    counted = ["damages"]
    if told == ("doctor", []):
        counted.append("harmless" if before == right else "silent wrong answers")
    elif told[0] == "doctor":
        counted.append("told by doctor")
        counted.append("mended by --repair" if again == ("doctor", []) else "left to a backup or a build")
    if (before == right and after != right) or (again == ("doctor", []) and after != right):
        counted.append("repairs that made a right answer wrong")
    counted += ["errors that are not the store's own"] * any(kind == "raw" for kind, _ in seen)
    counted += ["processes killed"] * any(kind == "killed" for kind, _ in seen)
    for kind, said in seen:
        if kind in ("raw", "killed"):
            print(said, file=sys.stderr, flush=True)
    return counted


def damages(base: Path, bits: int, rng: random.Random) -> Iterator[Damage]:
    for part in ("index", "archive"):
        for file in sorted(one for one in (base / part).rglob("*") if one.is_file() and one.name != "lock"):
            name = file.relative_to(base)
            for what in (one_bit, zeroed_head, truncated, removed):
                yield part, f"{name} {what.__name__}", partial(_at, name, partial(what, random.Random(rng.random())))
    content = np.frombuffer((base / "catalog.sqlite").read_bytes(), np.uint8)
    for place in rng.sample(np.flatnonzero(content).tolist(), bits):
        bit = rng.randrange(8)
        yield "catalog", f"bit {bit} of byte {place}", partial(_at, Path("catalog.sqlite"), partial(flip, place, bit))


def _at(name: Path, what: Callable[[Path], None], store: Path) -> None:
    what(store / name)


def one_bit(rng: random.Random, file: Path) -> None:
    """Of a byte in use, where there is one."""
    content = np.frombuffer(file.read_bytes(), np.uint8)
    used = np.flatnonzero(content).tolist() or list(range(min(1, len(content))))
    if used:
        flip(rng.choice(used), rng.randrange(8), file)


def zeroed_head(_: random.Random, file: Path) -> None:
    size = min(HEAD, file.stat().st_size)
    with file.open("r+b") as opened:
        opened.write(bytes(size))


def truncated(_: random.Random, file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def removed(_: random.Random, file: Path) -> None:
    file.unlink()


def flip(place: int, bit: int, file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        old = opened.read(1)[0]
        opened.seek(place)
        opened.write(bytes([old ^ (1 << bit)]))


def report(tally: dict[str, Counter[str]]) -> None:
    print("|  |", " | ".join(tally), "|")
    print("|---|", "---:|" * len(tally))
    for column in COLUMNS:
        print(f"| {column} |", " | ".join(str(counted[column]) for counted in tally.values()), "|")
    print(json.dumps({part: {column: counted[column] for column in COLUMNS} for part, counted in tally.items()}))
    bad = COLUMNS[5:8]
    sys.exit(any(counted[column] for counted in tally.values() for column in bad))


if __name__ == "__main__":
    main()
