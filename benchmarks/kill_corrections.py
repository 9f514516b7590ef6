"""Kill `retclip relabel | quarantine | retire | undo | class import` with SIGKILL at every crash point and at random
moments, and look at the store afterwards.

    python benchmarks/kill_corrections.py --kills 120

Each command runs in a child forked from a parent that has imported everything and opened no store. At random moments
the kill comes within the time that the command takes undisturbed. In two of three rounds an asker, another process, has
had the store open since before the command, and is asked again after the kill; a new process always is. One kind of
asker holds the embedded index, the other answers from memory. An import writes vectors, so that it waits for an asker
of the first kind and then refuses: beside it only the second kind asks. It imports into a store with a hidden class.

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
from dataclasses import dataclass, field
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
from retclip.store.states import IndexKind, SegmentStatus
from retclip.workflows.doctor.doctor import check_open_store

SETTINGS = {"preset": "appearance", "device": {"name": "cpu"}}
SIZE = "width=96&height=64"
FORK = get_context("fork")


@dataclass
class Tally:
    """What happened.

    imported: segments of the class file.
    happened: rounds after which the event was there; lost: those that had ended and it was not.
    asked: rounds by the index of the asker, a process that had the store open before.
    missed: rounds whose command ended before its kill.
    wrong: what differed.
    """

    imported: int = 0
    kills: int = 0
    at_points: dict[str, int] = field(default_factory=Counter)
    at_random: dict[str, int] = field(default_factory=Counter)
    happened: int = 0
    lost: int = 0
    asked: dict[str, int] = field(default_factory=Counter)
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
        return {segment for segment, (_, status) in self.values.items() if status != SegmentStatus.VISIBLE}


def state_of(memory: Any, photo: Path) -> State:
    """Look at everything, and ask the store."""
    answers = answered(memory, photo)  # first: a question lets the index follow what a killed command left to it
    every = memory.store.segments.get(memory.store.segments.select(SegmentFilter(states=(*SegmentStatus,)), 10_000).ids)
    findings = [finding for finding in check_open_store(memory.store, False) if not finding.ok]
    return State(
        {str(number): (segment.class_name, str(segment.status)) for number, segment in every.items()},
        {event.id: event.segments for event in memory.log()},
        tuple(f"{finding.what}: {finding.found}" for finding in findings if finding.what != "disk"),
        answers,
    )


def answered(memory: Any, photo: Path) -> frozenset[str]:
    """Every segment that votes for the photo's masks, or is found by a search with it."""
    voters = {voter for voter in memory.segment(photo).evidence.neighbours.ids.ravel() if voter is not None}
    return frozenset(map(str, voters)) | {str(row.id) for row in memory.search(image=photo, limit=10_000)}


def opened(folder: Path, index: IndexKind = IndexKind.EDGE) -> Any:
    """Open the store with the components that `segment` needs."""
    return retclip.open(folder, settings={**SETTINGS, "store": {"index": str(index)}})


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


def serve(pipe: Connection, folder: Path, photo: Path, index: IndexKind) -> None:
    """Hold the store open, and answer each question with what it returns now, until asked to end."""
    with opened(folder, index) as memory:
        pipe.send(answered(memory, photo))
        while pipe.recv():
            pipe.send(answered(memory, photo))


class Asker:
    """Another process that has the store open. index: it holds the embedded one, or has its own in memory."""

    def __init__(self, folder: Path, photo: Path, index: IndexKind) -> None:
        self.pipe, there = Pipe()
        self.process = FORK.Process(target=serve, args=(there, folder, photo, index), daemon=True)
        self.process.start()
        there.close()
        self.pipe.recv()

    def ask(self) -> frozenset[str]:
        """Return the segments of its answers now."""
        self.pipe.send(True)
        answers: frozenset[str] = self.pipe.recv()
        return answers

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
    return child.exitcode != 0, list(_sent(here))


def _sent(pipe: Connection) -> Iterator[str]:
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
    """A command that is killed.

    start: folder of the store before.
    changes: segments that it changes, 0 = not known.
    askers: indexes of the processes that have the store open beside it, each in turn; None = no such process.
    """

    kind: str
    start: str
    words: tuple[str, ...]
    changes: int
    before: State
    askers: tuple[IndexKind | None, ...] = (None, IndexKind.EDGE, IndexKind.RESIDENT)


def rounds_of(root: Path, photo: Path) -> dict[str, Round]:
    """Make each kind's command."""
    plain, hidden = (in_child(look, root / name, photo) for name in ("store", "quarantined"))
    first, second = sorted({name for name, _ in plain.values.values()})[:2]
    ids = tuple(sorted(segment for segment, (name, _) in plain.values.items() if name == first))
    imported = ("class", "import", str(root / "classes.zip"))
    return {
        "relabel": Round("relabel", "store", ("relabel", *ids, second), len(ids), plain),
        "quarantine": Round("quarantine", "store", ("quarantine", *ids), len(ids), plain),
        "retire": Round("retire", "store", ("retire", *ids), len(ids), plain),
        "undo": Round("undo", "quarantined", ("undo", str(max(hidden.facts))), len(hidden.hidden), hidden),
        "import": Round("import", "quarantined", imported, 0, hidden, (None, IndexKind.RESIDENT)),
    }


def check(tally: Tally, killed: Round, after: State, ended: bool) -> None:
    """Compare a store after a kill with the one before."""
    kind, before, changes = killed.kind, killed.before, killed.changes
    new = {event: facts for event, facts in after.facts.items() if event not in before.facts}
    changed = sum(before.values.get(segment) != value for segment, value in after.values.items())
    tally.happened += bool(new)
    tally.lost += ended and not new
    if len(new) > 1 or bool(changed) != bool(new):
        tally.wrong.append(f"{kind}: {changed} segments changed, {len(new)} events")
    if changes and changed not in (0, changes):
        tally.wrong.append(f"{kind}: {changed} of {changes} segments changed")
    if kind not in ("undo", "import") and set(new.values()) - {changes}:  # an undo has no facts of its own
        tally.wrong.append(f"{kind}: facts about {new} instead of {changes}")
    tally.wrong += [f"{kind}: {finding}" for finding in after.findings]
    if after.hidden & after.answered:
        tally.wrong.append(f"{kind}: {len(after.hidden & after.answered)} hidden segments from a new process")


def check_repeated(tally: Tally, folder: Path, photo: Path, before: State) -> None:
    """Look at the store of an import that was repeated after its kill: everything is there, once."""
    after, whole = in_child(look, folder, photo), len(before.values) + tally.imported
    if len(after.values) != whole or after.findings or after.hidden != before.hidden or after.hidden & after.answered:
        tally.wrong.append(f"import, repeated: {len(after.values)} segments instead of {whole}; {after.findings}")


def kill_once(
    tally: Tally, root: Path, victim: Round, photo: Path, index: IndexKind | None, point: int | None = None,
    delay: float | None = None,
) -> bool:  # fmt: skip
    """Kill one command in a fresh copy of its store, and look. Returns whether it was killed.

    index: of the asker, None = without.
    point, delay: when; of crash points the number, or seconds.
    """
    folder = root / "now"
    shutil.copytree(root / victim.start, folder)
    words = [*victim.words, "--store", str(folder)]
    asker = Asker(folder, photo, index) if index else None
    killed, steps = run(words, point, delay)
    answers = asker.ask() if asker else frozenset[str]()
    if asker:
        asker.end()
        tally.asked[str(index)] += 1
    after = in_child(look, folder, photo)
    check(tally, victim, after, "" in steps)
    if answers & after.hidden:
        tally.wrong.append(f"{victim.kind}: {len(answers & after.hidden)} hidden segments from the {index} asker")
    tally.kills += killed
    tally.missed += not killed
    if killed and point is not None:
        tally.at_points[f"{victim.kind}: {steps[-1]}"] += 1
    elif killed:
        tally.at_random[victim.kind] += 1
    if victim.kind == "import":
        run(words)
        check_repeated(tally, folder, photo, victim.before)
    shutil.rmtree(folder)
    moment = f"step {point}" if delay is None else f"{delay:.2f} s"
    state = f"{tally.kills} kills, {len(tally.wrong)} differences, last {victim.kind} at {moment}"
    print(state, f"asker {index}", *tally.wrong[-1:], sep=", ", file=sys.stderr)
    return killed


def loop(root: Path, kills: int, seed: int) -> Tally:
    """Kill each command at each of its crash points, with every asker and without, then all at random moments."""
    in_child(prepare, root)
    photo = next((root / "store_scenes").rglob("*.png"))
    tally, usual = Tally(imported=len(in_child(look, root / "other", photo).values)), dict[str, float]()
    commands, chance = rounds_of(root, photo), random.Random(seed)
    for victim in commands.values():
        shutil.copytree(root / victim.start, root / "calm")
        clock = time.monotonic()
        run([*victim.words, "--store", str(root / "calm")])
        usual[victim.kind] = time.monotonic() - clock
        shutil.rmtree(root / "calm")
        for index in victim.askers:
            next(point for point in count() if not kill_once(tally, root, victim, photo, index, point=point))
    while tally.kills < kills:
        victim = commands[chance.choice([*commands])]
        delay = chance.uniform(0.0, usual[victim.kind])
        kill_once(tally, root, victim, photo, chance.choice(victim.askers), delay=delay)
    return tally


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-kills-") as root:
        clock = time.monotonic()
        tally = loop(Path(root), options.kills, options.seed)
    print(json.dumps({**vars(tally), "seconds": round(time.monotonic() - clock, 1)}))
    sys.exit(1 if tally.wrong or tally.lost else 0)


if __name__ == "__main__":
    main()
