"""The same evaluation twice, by processes that share nothing but the store: everything in run.json but the
circumstances is the same to the last byte, by several workers, too."""

import os
import subprocess
import sys

import pytest

from retclip.executors.one_task_each import THREADS

SCENES = "miniature.scenes:scenes?split={}&width=96&height=96"  # networks: what threads could change in last digits


@pytest.fixture
def evaluate(run, tmp_path, monkeypatch):
    """Evaluate in this process, or with `apart` in one whose sets and dicts of texts have another order of hashes."""
    monkeypatch.chdir(tmp_path)
    built = run("build", SCENES.format("store") + "&count=4", "--preset", "miniature", "--store", "store")
    assert built.code == 0, built.err
    fixed = ("evaluate", SCENES.format("test") + "&count=3", "--store", "store", "--bootstrap", "40")
    fixed += ("--oracle", "labels", "--set", "store.index=resident", "--set", "device.threads=1", "--out")

    def call(out, *more, apart=False):
        if apart:
            environment = {name: value for name, value in os.environ.items() if name not in THREADS}
            code = "from retclip.cli import main; main()"
            done = subprocess.run([sys.executable, "-c", code, *fixed, out, *more], capture_output=True, text=True,
                                  env={**environment, "PYTHONHASHSEED": "7"})  # fmt: skip
            assert done.returncode == 0, done.stderr
        else:
            ran = run(*fixed, out, *more)
            assert ran.code == 0, ran.err
        return (tmp_path / out / "run.json").read_bytes().split(b'"circumstances"')

    return call


def test_only_the_circumstances_differ(evaluate):
    figures, circumstances = evaluate("first")
    assert b'"pq"' in figures and b'"calibration_error"' in figures and b'"pq"' not in circumstances
    assert evaluate("second", apart=True)[0] == figures
    assert evaluate("workers", "--workers", "2")[0] == figures
