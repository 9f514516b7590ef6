"""The program run inside this process, as `retclip.cli.main` runs it: exit code, stdout and stderr."""

import importlib.metadata
import sys
from dataclasses import dataclass

import pytest
from PIL import Image


@dataclass(frozen=True)
class Ran:
    """What a call left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    from retclip import cli

    def call(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["retclip", *(str(one) for one in arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def own_plugins(monkeypatch):
    """Only the plugins of this repository: what else is installed must not decide a test."""
    original = importlib.metadata.entry_points
    own = {"data", "reference", "retrieval", "zero_shot"}

    def entry_points(**wanted):
        found = original(**wanted)  # others ask, too: triton looks for its own when it is first imported
        return [one for one in found if one.name in own] if wanted.get("group") == "retclip" else found

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.fixture
def photos(tmp_path):
    """A folder with a good photo and one that is cut off."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").convert("RGB").resize((96, 64)).save(folder / "good.png")
    (folder / "bad.png").write_bytes((folder / "good.png").read_bytes()[:100])
    return folder


@pytest.fixture
def labelled(tmp_path):
    """A label-maps data set of two photos, the second one with a label map that is cut off."""
    root = tmp_path / "labelled"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("sky\ngrass\n")
    for stem, shade in (("a", 40), ("b", 200)):
        Image.new("RGB", (96, 64), (shade, 90, 30)).save(root / "images" / f"{stem}.png")
        Image.new("L", (96, 64), 1).save(root / "labels" / f"{stem}.png")
    whole = (root / "labels" / "b.png").read_bytes()
    (root / "labels" / "b.png").write_bytes(whole[:60])
    return root, whole
