"""What an installed program can do: wheels of the core and of every plugin, in an environment that sees no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
LEFT_OUT = shutil.ignore_patterns("build", "dist", "tests", "__pycache__", "*.egg-info")
SCRIPT = """
import json, sys
import retclip

source = "miniature.scenes:scenes?split=store&count=2&width=96&height=96&things=fox&things=car"
with retclip.open("store", preset="miniature", create=True) as memory:
    memory.build(source)
    records = list(memory.source(source).images())
    result = memory.segment(records[0].uri, "fox, car, grass, sky, sand")
    result.save("out")
    assert "<img" in result._repr_html_()
packages = {name: module.__file__ for name, module in sys.modules.items() if name.startswith("retclip")}
print(json.dumps({"segments": [one.class_name for one in result.segments], "packages": packages}))
"""


def run(*command: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that sees no settings and no path of whoever runs the tests."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RETCLIP_", "PYTHON", "PIP_"))}
    environment = {**inherited, "RETCLIP_DEVICE__NAME": "cpu"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of the core and of every plugin, made of a copy, for a build leaves files beside what it builds."""
    pytest.importorskip("pip")
    root = tmp_path_factory.mktemp("wheels")
    for name in ("retclip", "plugins"):
        shutil.copytree(ROOT / name, root / "source" / name, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root / "source" / name)
    folders = sorted(path.parent for path in (root / "source" / "plugins").glob("*/pyproject.toml"))
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    run(*PIP, "wheel", *offline, "--wheel-dir", root / "dist", ".", *folders, cwd=root / "source")
    assert len(list((root / "dist").glob("*.whl"))) == len(folders) + 1
    shutil.rmtree(root / "source")
    return root / "dist"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with every library that is installed here, and nothing of this project."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root / "venv", with_pip=False)
    (root / "libraries").mkdir()
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(folder).iterdir():
            if not path.name.startswith(("retclip", "__editable__")):
                (root / "libraries" / path.name).symlink_to(path)
    (site,) = (root / "venv").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{root / 'libraries'}\n")
    return root / "venv"


def test_the_core_alone_names_its_plugins_and_with_them_it_segments(
    wheels: Path, environment: Path, tmp_path: Path
) -> None:
    python, retclip = environment / "bin" / "python", environment / "bin" / "retclip"
    install = (*PIP, "--python", python, "install", "--no-index", "--find-links", wheels)
    run(*install, "retclip", cwd=tmp_path)
    listed = run(retclip, "plugins", "list", cwd=tmp_path)
    assert "reference" in listed.stderr and "pip install 'retclip[all]'" in listed.stderr
    refused = run(retclip, "plugins", "info", "reference.scenes", cwd=tmp_path, code=4)
    assert "pip install 'retclip[all]'" in refused.stderr

    run(*install, "retclip[all]", cwd=tmp_path)
    done = json.loads(run(python, "-c", SCRIPT, cwd=tmp_path).stdout)
    assert done["segments"] and (tmp_path / "out" / "panoptic.json").is_file()
    assert {name.partition(".")[0] for name in done["packages"]} >= {"retclip", "retclip_miniature", "retclip_openclip"}
    assert all(Path(file).is_relative_to(environment) for file in done["packages"].values())
    run(retclip, "plugins", "new", "mine", cwd=tmp_path)
    assert not run(retclip, "plugins", "list", cwd=tmp_path).stderr
