"""Twenty kills of a running build; the script with two hundred is benchmarks/kill_loop.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_loop.py"


def test_twenty_kills_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "20", "--images", "12"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"] >= 20, found["lost"], found["wrong"]) == (True, 0, [])
    assert found["segments"] > 50, "the builds stored something"
