"""Kill `retclip relabel | quarantine | retire | undo | class import` with SIGKILL at every crash point and at random
moments, and look at the store afterwards.

    python benchmarks/kill_corrections.py --kills 120

Each command runs in a child forked from a parent that has imported everything and opened no store. At random moments
the kill comes within the time that the command takes undisturbed. In half of the rounds another process has had the
store and its index open since before the command, and is asked again after the kill. A new process always is.

Asserted after each kill: a correction's event has all its facts or there is none of it; what had ended is there; doctor
finds nothing, once the index has followed, the chain of events included; no segment that is hidden or retired votes in
`segment` or is returned by `store search`, in either process. An import ends, repeated, with everything once. Prints
one JSON line; exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch  # noqa: F401  (imported before the forks, used after them)

import retclip
import retclip.corrections
import retclip.engine
import retclip.report.segment_report
import retclip.session
import retclip.workflows.building.build_store
import retclip.workflows.exchange.import_classes
import retclip.workflows.search
from retclip.cli import app
from retclip.store.crash_points import armed
from retclip.store.records import SegmentFilter
from retclip.store.states import SegmentStatus
from retclip.workflows.doctor.doctor import check_open_store

SETTINGS = {"preset": "appearance", "device": {"name": "cpu"}}
SIZE = "width=96&height=64"
FORK = get_context("fork")


@dataclass
class Tally:
    """What happened.

    imported: segments of the class file.
    happened: rounds after which the event was there; lost: those that had ended and it was not.
    asked_others: rounds with a process that had the store open before.
    missed: rounds whose command ended before its kill.
    wrong: what differed.
    """

    imported: int = 0
    kills: int = 0
    at_points: dict[str, int] = field(default_factory=Counter)
    at_random: int = 0
    happened: int = 0
    lost: int = 0
    asked_others: int = 0
    missed: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """A store. values: of each segment, class and status. answered: who voted in `segment` or was found by a search."""

    values: dict[str, tuple[str, str]]
    facts: dict[int, int]
    findings: tuple[str, ...]
    answered: frozenset[str]

    @property
    def hidden(self) -> set[str]:
        """The segments that nothing may return."""
        return {one for one, (_, status) in self.values.items() if status != SegmentStatus.VISIBLE}


def state_of(memory: Any, photo: Path) -> State:
    """Look at everything, and ask the store."""
    found = answered(memory, photo)  # first: a question lets the index follow what a killed command left to it
    every = memory.store.segments.get(memory.store.segments.select(SegmentFilter(states=(*SegmentStatus,)), 10_000).ids)
    findings = [one for one in check_open_store(memory.store, False) if not one.ok and one.what != "disk"]
    return State(
        {str(one): (segment.class_name, str(segment.status)) for one, segment in every.items()},
        {event.id: event.segments for event in memory.log()},
        tuple(f"{one.what}: {one.found}" for one in findings),
        found,
    )


def answered(memory: Any, photo: Path) -> frozenset[str]:
    """Every segment that votes for the photo's masks, or is found by a search with it."""
    voted = {one for one in memory.segment(photo).evidence.neighbours.ids.ravel() if one is not None}
    return frozenset(map(str, voted)) | {str(one.id) for one in memory.search(image=photo, limit=10_000)}


def opened(folder: Path) -> Any:
    """Open the store with the components that `segment` needs."""
    return retclip.open(folder, settings=SETTINGS)


def in_child(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return what an action returns in a new process."""
    here, there = Pipe()
    child = FORK.Process(target=lambda: there.send(action(*arguments)))
    child.start()
    there.close()
    try:
        return here.recv()
    finally:
        child.join()


def look(folder: Path, photo: Path) -> State:
    with opened(folder) as memory:
        return state_of(memory, photo)


def serve(pipe: Connection, folder: Path, photo: Path) -> None:
    """Hold the store open, and answer with what is found now, until told to end."""
    with opened(folder) as memory:
        pipe.send(answered(memory, photo))
        while pipe.recv():
            pipe.send(answered(memory, photo))


class Other:
    """Another process that has the store open."""

    def __init__(self, folder: Path, photo: Path) -> None:
        self.pipe, there = Pipe()
        self.process = FORK.Process(target=serve, args=(there, folder, photo), daemon=True)
        self.process.start()
        there.close()
        self.pipe.recv()

    def ask(self) -> frozenset[str]:
        """Ask the segments that it finds now."""
        self.pipe.send(True)
        found: frozenset[str] = self.pipe.recv()
        return found

    def end(self) -> None:
        """Let it close its store."""
        self.pipe.send(False)
        self.process.join()


def command(pipe: Connection, words: list[str], point: int | None) -> None:
    """Run a command of the program; tell each crash point, and the end. point: the one to be killed at."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    numbers = count()

    def reached(step: str) -> None:
        pipe.send(step)
        if next(numbers) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    with armed(reached):
        app(words, standalone_mode=False)
    pipe.send("")


def run(words: list[str], point: int | None = None, delay: float | None = None) -> tuple[bool, list[str]]:
    """Run a command in a new process: whether it was killed, and the crash points that it passed, "" at its end."""
    here, there = Pipe(duplex=False)
    child = FORK.Process(target=command, args=(there, words, point))
    child.start()
    there.close()
    child.join(delay)
    if child.is_alive():
        child.kill()
        child.join()
    if child.exitcode not in (0, -signal.SIGKILL):
        raise SystemExit(f"retclip {' '.join(words)} failed by itself")
    return child.exitcode != 0, list(_told(here))


def _told(pipe: Connection) -> Iterator[str]:
    while True:
        try:
            yield pipe.recv()
        except (EOFError, OSError):
            return


def prepare(root: Path) -> None:
    """Build a store, the same with a class quarantined, and a class file of a third."""
    for name, split in (("store", "train"), ("other", "val")):
        source = f"reference.scenes:{root / name}_scenes?split={split}&count=6&{SIZE}"
        with retclip.open(root / name, create=True, settings=SETTINGS) as memory:
            memory.build(source)
            if name == "other":
                memory.classes.export(root / "classes.zip")
    shutil.copytree(root / "store", root / "quarantined")
    with opened(root / "quarantined") as memory:
        memory.quarantine(
            memory.store.segments.select(SegmentFilter(classes=(memory.classes.list()[0].name,)), 10_000).ids
        )


@dataclass(frozen=True)
class Round:
    """A command that is killed. changes: the segments that it changes, 0 = not known."""

    kind: str
    start: str  # the folder of the store before
    words: tuple[str, ...]
    changes: int
    before: State


def rounds_of(root: Path, photo: Path) -> dict[str, Round]:
    """Make each kind's command."""
    plain, hidden = (in_child(look, root / name, photo) for name in ("store", "quarantined"))
    first, second = sorted({name for name, _ in plain.values.values()})[:2]
    ids = tuple(sorted(one for one, (name, _) in plain.values.items() if name == first))
    return {
        "relabel": Round("relabel", "store", ("relabel", *ids, second), len(ids), plain),
        "quarantine": Round("quarantine", "store", ("quarantine", *ids), len(ids), plain),
        "retire": Round("retire", "store", ("retire", *ids), len(ids), plain),
        "undo": Round("undo", "quarantined", ("undo", str(max(hidden.facts))), len(hidden.hidden), hidden),
        "import": Round("import", "store", ("class", "import", str(root / "classes.zip")), 0, plain),
    }


def check(tally: Tally, one: Round, after: State, ended: bool) -> None:
    """Compare a store after a kill with the one before."""
    new = {event: facts for event, facts in after.facts.items() if event not in one.before.facts}
    changed = sum(one.before.values.get(segment) != value for segment, value in after.values.items())
    tally.happened += bool(new)
    tally.lost += ended and not new
    if len(new) > 1 or bool(changed) != bool(new):
        tally.wrong.append(f"{one.kind}: {changed} segments changed, {len(new)} events")
    if one.changes and changed not in (0, one.changes):
        tally.wrong.append(f"{one.kind}: {changed} of {one.changes} segments changed")
    if one.kind not in ("undo", "import") and set(new.values()) - {one.changes}:  # an undo has no facts of its own
        tally.wrong.append(f"{one.kind}: facts about {new} instead of {one.changes}")
    tally.wrong += [f"{one.kind}: {finding}" for finding in after.findings]
    if after.hidden & after.answered:
        tally.wrong.append(f"{one.kind}: {len(after.hidden & after.answered)} hidden segments from a new process")


def kill_once(tally: Tally, root: Path, one: Round, photo: Path, other: bool, **kill: Any) -> bool:
    """Kill one command in a fresh copy of its store, and look. Returns whether it was killed."""
    folder = root / "now"
    shutil.copytree(root / one.start, folder)
    words = [*one.words, "--store", str(folder)]
    held = Other(folder, photo) if other else None
    killed, told = run(words, **kill)
    found = held.ask() if held else frozenset[str]()
    if held:
        held.end()
    after = in_child(look, folder, photo)
    check(tally, one, after, "" in told)
    tally.asked_others += other
    if found & after.hidden:
        tally.wrong.append(f"{one.kind}: {len(found & after.hidden)} hidden segments from the other process")
    tally.kills += killed
    tally.missed += not killed
    if killed and "point" in kill:
        tally.at_points[f"{one.kind}: {told[-1]}"] += 1
    tally.at_random += killed and "delay" in kill
    if one.kind == "import":
        run(words)
        done, whole = in_child(look, folder, photo), len(one.before.values) + tally.imported
        if len(done.values) != whole or done.findings:
            tally.wrong.append(f"import, repeated: {len(done.values)} segments instead of {whole}; {done.findings}")
    shutil.rmtree(folder)
    print(
        f"{tally.kills} kills, {len(tally.wrong)} differences, last {one.kind} {kill} {tally.wrong[-1:]}",
        file=sys.stderr,
    )
    return killed


def loop(root: Path, kills: int, seed: int) -> Tally:
    """Kill each command at each of its crash points, with another process and without, then all at random moments."""
    in_child(prepare, root)
    photo = next((root / "store_scenes").rglob("*.png"))
    tally, usual = Tally(imported=len(in_child(look, root / "other", photo).values)), dict[str, float]()
    commands, chance = rounds_of(root, photo), random.Random(seed)
    for one in commands.values():
        shutil.copytree(root / one.start, root / "calm")
        clock = time.monotonic()
        run([*one.words, "--store", str(root / "calm")])
        usual[one.kind] = time.monotonic() - clock
        shutil.rmtree(root / "calm")
        for other in (False, True):
            next(point for point in count() if not kill_once(tally, root, one, photo, other, point=point))
    while tally.kills < kills:
        one = commands[chance.choice([*commands])]
        kill_once(tally, root, one, photo, chance.random() < 0.5, delay=chance.uniform(0.0, usual[one.kind]))
    return tally


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-kills-") as root:
        clock = time.monotonic()
        tally = loop(Path(root), given.kills, given.seed)
    print(json.dumps({**asdict(tally), "seconds": round(time.monotonic() - clock, 1)}))
    sys.exit(1 if tally.wrong or tally.lost else 0)


if __name__ == "__main__":
    main()
