"""A long build: does its memory stay flat, and does it lose nothing when it is killed again and again?

    python benchmarks/long_build.py --images 10000 --kills 50

Builds a store of drawn scenes once undisturbed, watching the resident memory, and once more with SIGKILLs at random
moments, started again each time as a person would. Segments and ids must be equal in the end; the index of the killed
store is compared with SQL by `retclip doctor`. Then the share of the time that goes into the store is measured, with
the smallest trained backbone (the miniature's CLIP). Prints one JSON line; exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from sqlalchemy import text

import retclip
from retclip.store.api.runs import Runs
from retclip.store.feature_store import FeatureStore
from retclip.store.sql.engine import transaction

Sample = tuple[int, int, int]  # images done, resident bytes, of these not backed by files
STEP = re.compile(rb" (\d+)/\d+  ")


def started(source: str, store: Path) -> subprocess.Popen[bytes]:
    """A build as a program of its own."""
    command = [sys.executable, "-m", "retclip.cli", "build", source, "--store", str(store), "--preset", "appearance"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def resident(process: int) -> tuple[int, int]:
    """(all, anonymous) resident memory in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines if "Rss" in line or "RSS" in line}
    return found["VmRSS:"], found["RssAnon:"]


def watched(source: str, store: Path) -> tuple[list[Sample], float]:
    """A build that nobody disturbs: its memory with each line of progress, and its seconds."""
    clock, samples = time.monotonic(), []
    with started(source, store) as process:
        assert process.stderr
        for line in process.stderr:
            if (found := STEP.search(line)) and process.poll() is None:
                samples.append((int(found[1]), *resident(process.pid)))
    if process.returncode:
        raise SystemExit(f"the build failed with {process.returncode}")
    return samples, time.monotonic() - clock


def killed(source: str, store: Path, kills: int, usual: float, chance: random.Random) -> tuple[int, float]:
    """The same, killed at random moments: (kills, seconds)."""
    clock, done = time.monotonic(), 0
    while True:
        with started(source, store) as process:
            assert process.stderr
            try:
                last = done >= kills
                _, told = process.communicate(timeout=None if last else chance.uniform(2, 1.3 * usual / kills + 6))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                done += 1
                continue
        if process.returncode:
            raise SystemExit(told.decode()[-2000:])
        return done, time.monotonic() - clock


def ids(store: Path) -> dict[str, Any]:
    """What the catalog holds."""
    with FeatureStore.open(store) as opened, transaction(opened.engine) as connection:
        points = {row[0].hex() for row in connection.execute(text("SELECT point_id FROM segment WHERE status = 0"))}
        units = connection.execute(text("SELECT state, count(*) FROM unit GROUP BY state")).all()
    return {"points": points, "units": dict(map(tuple, units))}


def half_means(samples: list[Sample], column: int, images: int) -> tuple[float, float]:
    """Mean memory of the first and of the second half, in MB; the first tenth, while everything loads, left out."""
    first = [one[column] for one in samples if images / 10 <= one[0] < images / 2]
    second = [one[column] for one in samples if one[0] >= images / 2]
    return fmean(first) / 1e6, fmean(second) / 1e6


def store_share(root: Path, images: int) -> dict[str, float]:
    """Seconds in the store (ledger, archive, SQL, index) and in all, of a build with the miniature's CLIP."""
    spent = 0.0

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            nonlocal spent
            clock = time.monotonic()
            try:
                return method(*arguments, **more)
            finally:
                spent += time.monotonic() - clock

        return wrapped

    for name in ("commit", "lease", "start", "finish"):
        setattr(Runs, name, timed(getattr(Runs, name)))
    source = f"miniature.scenes:{root / 'share'}?split=train&count={images}"
    for one in retclip_source(source).images():
        one.file_digest()  # drawn and written before the clock starts
    with retclip.open(root / "share_store", create=True, settings={"preset": "miniature"}) as memory:
        memory.session.builder()
        clock = time.monotonic()
        memory.build(source)
        total = time.monotonic() - clock
    return {"images": images, "seconds": total, "store_seconds": spent, "store_percent": 100 * spent / total}


def retclip_source(address: str) -> Any:
    """The source behind an address, without a store."""
    from retclip.session import Components

    return Components.configured(None).source(address)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="width=96&height=64")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-long-") as folder:
        root = Path(folder)
        source = f"reference.scenes:{root / 'scenes'}?count={given.images}&{given.size}"
        samples, usual = watched(source, root / "calm")
        answer: dict[str, Any] = {"images": given.images, "seconds": round(usual, 1)}
        for name, column in (("resident_mb", 1), ("anonymous_mb", 2)):
            answer[name] = [round(one, 1) for one in half_means(samples, column, given.images)]
        print(json.dumps(answer), file=sys.stderr, flush=True)
        answer["kills"], seconds = killed(source, root / "killed", given.kills, usual, random.Random(given.seed))
        answer["killed_seconds"] = round(seconds, 1)
        calm, other = ids(root / "calm"), ids(root / "killed")
        answer |= {"segments": len(calm["points"]), "missing": len(calm["points"] - other["points"])}
        answer |= {"too_many": len(other["points"] - calm["points"]), "units": other["units"]}
        doctor = [sys.executable, "-m", "retclip.cli", "doctor", "--store", str(root / "killed")]
        answer["doctor"] = subprocess.run(doctor, capture_output=True).returncode
        print(json.dumps(answer), file=sys.stderr, flush=True)
        answer["store"] = {key: round(value, 2) for key, value in store_share(root, 200).items()}
    print(json.dumps(answer))
    sys.exit(1 if answer["missing"] or answer["too_many"] or answer["doctor"] else 0)


if __name__ == "__main__":
    main()
