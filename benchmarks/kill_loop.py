"""Kill a running build with SIGKILL at random moments, resume it, and compare with a build that nobody disturbed.

    python benchmarks/kill_loop.py --kills 200

Every build runs in a child forked from a parent that has imported everything and computed nothing, so that the kills
fall into the build and not into the imports, and no thread is lost in a fork. After every kill what the child had been
told is stored must be stored; when a build has come to its end, segments, ids, index and archive must equal the
undisturbed ones. Prints one JSON line; exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch  # noqa: F401  (imported before the forks, used after them)
from sqlalchemy import text

import retclip
import retclip.engine
import retclip.workflows.building.build_store
from retclip.progress import Progress
from retclip.store.feature_store import FeatureStore
from retclip.store.index.reconcile import differences
from retclip.store.repair import damaged_shards, shard_names, unreferenced_shards
from retclip.store.sql.engine import transaction

SETTINGS = {"preset": "appearance", "build": {"commit_images": 2}, "device": {"name": "cpu"}}


@dataclass
class Tally:
    """What happened. lost: acknowledged segments that were not there after a kill. wrong: what differed at the end."""

    kills: int = 0
    builds: int = 0
    segments: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    unreferenced: int = 0  # shards of interrupted commits: harmless, nobody refers to them
    left_to_relay: int = 0  # kills between the commit and the index


@dataclass(frozen=True)
class State:
    """A store after a child has ended. wrong: everything in which SQL, archive and index differ."""

    ids: frozenset[str] = frozenset()
    wrong: tuple[str, ...] = ()
    unreferenced: int = 0
    waiting: int = 0  # rows that the relay still had to do


def build(pipe: int, folder: Path, source: str) -> None:
    """One run of a build; the number of stored segments goes to the pipe after each commit."""

    def tell(progress: Progress) -> None:
        segments = int(progress.note.split()[0])  # "120 segments"
        os.write(pipe, segments.to_bytes(8, "little"))

    with retclip.open(folder, create=True, settings=SETTINGS) as memory:
        memory.build(source, on_progress=tell)


def inspect(pipe: int, folder: Path) -> None:
    """Open the store, which lets the index follow, and write its State to the pipe."""
    with retclip.open(folder, create=True, settings=SETTINGS) as memory:
        state = State() if memory.store.spaces.first() is None else _state(memory.store)
    with os.fdopen(pipe, "wb", closefd=False) as file:
        pickle.dump(state, file)


def _state(store: FeatureStore) -> State:
    with transaction(store.engine) as connection:
        waiting = connection.execute(text("SELECT count(*) FROM outbox WHERE done_at IS NULL")).scalar_one()
        ids = frozenset(row[0].hex() for row in connection.execute(text("SELECT point_id FROM segment")))
        damaged = damaged_shards(store.archive, shard_names(connection))
        spare = unreferenced_shards(connection, store.archive)
    found = differences(store.projection())
    kinds = ("missing", "orphan", "stale", "damaged")
    wrong = [f"{len(getattr(found, kind))} {kind}" for kind in kinds if getattr(found, kind)]
    return State(ids, (*wrong, *(f"shard {name}" for name in damaged)), len(spare), int(waiting))


def in_child(action: Callable[..., None], *arguments: Any, delay: float = 600.0) -> tuple[bool, bytes]:
    """Run `action(pipe, *arguments)` in a child and kill it after `delay` seconds: (killed, what it wrote)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            action(writing, *arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    reader = ThreadPoolExecutor(1)
    written = reader.submit(_drain, reading)
    deadline, finished, status = time.monotonic() + delay, 0, 0
    while time.monotonic() < deadline and not finished:
        finished, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    if not finished:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    elif status != 0:
        raise SystemExit(f"{action.__name__} failed by itself with status {status}")
    reader.shutdown()
    return not finished, written.result()


def _drain(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def state_of(folder: Path) -> State:
    """The State of a store, looked at by a child."""
    found: State = pickle.loads(in_child(inspect, folder)[1])
    return found


def loop(root: Path, kills: int, images: int, seed: int) -> Tally:
    """Kill builds until `kills` are reached, then let the last one finish."""
    source = f"reference.scenes:{root / 'scenes'}?count={images}&width=96&height=64"
    clock = time.monotonic()
    in_child(build, root / "calm", source)
    usual = time.monotonic() - clock
    calm = state_of(root / "calm")
    tally, chance, before = Tally(segments=len(calm.ids), wrong=list(calm.wrong)), random.Random(seed), State()
    while True:
        folder = root / f"store{tally.builds}"
        enough = tally.kills >= kills
        killed, told = in_child(build, folder, source, delay=600.0 if enough else chance.uniform(0.0, usual))
        now = state_of(folder)
        acknowledged = int.from_bytes(told[-8:], "little")
        tally.kills += killed
        tally.left_to_relay += killed and now.waiting > 0
        tally.lost += max(0, len(before.ids) + acknowledged - len(now.ids))
        tally.wrong += now.wrong
        before = now
        if killed:
            continue
        tally.builds += 1
        tally.unreferenced += now.unreferenced
        if now.ids != calm.ids:
            tally.wrong.append(f"{len(calm.ids - now.ids)} ids missing, {len(now.ids - calm.ids)} too many")
        shutil.rmtree(folder)
        before = State()
        if enough:
            return tally


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-kills-") as root:
        clock = time.monotonic()
        tally = loop(Path(root), given.kills, given.images, given.seed)
    print(json.dumps({**vars(tally), "images": given.images, "seconds": round(time.monotonic() - clock, 1)}))
    sys.exit(1 if tally.wrong or tally.lost else 0)


if __name__ == "__main__":
    main()
