"""`plugins new` writes distributions that install with pip, pass their own tests and are used by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retclip.data.images import write_png
from retclip.errors import ConfigError
from retclip.plugin.scaffold import KINDS, write_plugin

INSTALL = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")


def python(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with `path` in front of its modules, as an environment in which the plugin is installed."""
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """One plugin of each kind, installed by pip into a folder of its own."""
    root = tmp_path_factory.mktemp("plugins")
    written = {kind: write_plugin(f"my_{kind}", kind, root) for kind in KINDS}
    done = python(*INSTALL, "--target", str(root / "site"), *map(str, written.values()))
    assert done.returncode == 0, done.stderr
    return root / "site", written


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(installed: tuple[Path, dict[str, Path]], kind: str) -> None:
    site, written = installed
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(written[kind]),
                  str(written[kind] / "tests"), path=site)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_all_are_listed_beside_ours(installed: tuple[Path, dict[str, Path]]) -> None:
    found = json.loads(python("-m", "retclip.cli", "plugins", "list", "--json", path=installed[0]).stdout)
    names = {(one["kind"], one["name"]) for one in found["components"]}
    assert {(kind, f"my_{kind}.my_{kind}") for kind in KINDS} <= names
    assert ("proposer", "reference.superpixels") in names
    assert found["failures"] == []


def test_the_proposer_is_replaced_by_name(installed: tuple[Path, dict[str, Path]], built, tmp_path: Path) -> None:
    """Three stripes, one mask each, and nothing in the core was touched."""
    write_png(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 255, (30, 60, 3), dtype=np.uint8))
    done = python(
        "-m", "retclip.cli", "segment", str(tmp_path / "photo.png"), "--store", str(built.store), "--out",
        str(tmp_path / "out"), "--proposer", "my_proposer.my_proposer", "--set", "store.index=resident",
        "--set", "plugin.my_proposer.my_proposer.count=5", path=installed[0],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out" / "photo.evidence.npz") as evidence:
        assert evidence["boxes"].tolist() == [[x, 0, x + 12, 30] for x in range(0, 60, 12)]
        assert json.loads(str(evidence["about"]))["settings"]["proposer"]["name"] == "my_proposer.my_proposer"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("My", "proposer", "lower-case"),
        ("../up", "proposer", "lower-case"),
        ("class", "proposer", "lower-case"),
        ("", "proposer", "lower-case"),
        ("mine", "colour", "a kind"),
        ("taken", "proposer", "installed"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, kind: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        write_plugin(name, kind, tmp_path, taken={"taken"})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_plugin("mine", "proposer", tmp_path)
    with pytest.raises(ConfigError, match="is there"):
        write_plugin("mine", "backbone", tmp_path)
