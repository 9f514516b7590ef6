"""What make installs: pip's own index alone, or another one beside it for torch without CUDA."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def steps(*arguments: str) -> str:
    """The commands that `make demo` would run in an empty environment, on one line."""
    environment = {key: value for key, value in os.environ.items() if key not in ("TORCH_INDEX", "MAKEFLAGS")}
    command = ["make", "--dry-run", "demo", "VENV=no_such_environment", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.replace("\\\n", " ").split())


def test_everything_is_resolved_in_one_call_of_pip() -> None:
    assert steps().count("pip install") == 1
    assert "--quiet --disable-pip-version-check -r requirements.txt -c constraints.txt" in steps()


def test_another_index_is_asked_beside_pip_s_own() -> None:
    taken = steps("TORCH_INDEX=file:///wheels")
    assert "--extra-index-url file:///wheels -r requirements.txt -c constraints.txt" in taken
