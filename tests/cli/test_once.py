"""What is dear is done once a command: names are prepared once, a source is opened once."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from retclip.data import file_bytes
from retclip.plugin.manager import PluginManager
from retclip.workflows.segment import vocabulary

pytestmark = pytest.mark.usefixtures("own_plugins")
SIZE = "&width=96&height=64"


@pytest.fixture
def counted(monkeypatch):
    """What was prepared, and which sources were opened."""
    prepared, opened = [], []
    prepare, load = vocabulary.prepare, PluginManager.load

    def preparing(parts, names):
        prepared.append(names)
        return prepare(parts, names)

    def loading(self, kind, name, settings, device):
        if kind == "source":
            opened.append(name)
        return load(self, kind, name, settings, device)

    monkeypatch.setattr(vocabulary, "prepare", preparing)
    monkeypatch.setattr(PluginManager, "load", loading)
    return prepared, opened


@pytest.fixture
def scenes(tmp_path):
    return f"reference.scenes:{tmp_path / 'scenes'}?split=train&count=2{SIZE}"


@pytest.fixture
def store(run, scenes, tmp_path):
    assert run("build", scenes, "--store", tmp_path / "store").code == 0
    return tmp_path / "store"


@pytest.mark.parametrize("more", [(), ("--classes", "sky, grass"), ("--without", "sky")])
def test_a_build_opens_its_source_once(run, counted, scenes, tmp_path, more):
    for _ in range(2):  # where the store is made, and where it is there
        assert run("build", scenes, "--store", tmp_path / "store", *more).code == 0
    assert counted == ([], ["reference.scenes"] * 2)


def test_an_estimate_opens_its_source_once(run, counted, scenes, tmp_path):
    assert run("build", scenes, "--store", tmp_path / "store", "--dry-run").code == 0
    assert counted[1] == ["reference.scenes"]


@pytest.mark.parametrize("classes", [(), ("--classes", "sky, unicorn")])
def test_segmenting_prepares_its_names_once_however_many_photos(run, counted, store, tmp_path, classes):
    photos = sorted((tmp_path / "scenes").glob("*.png"))[:2]
    ran = run("segment", *photos, "--store", store, "--out", tmp_path / "out", *classes)
    assert ran.code == 0 and "2 photos segmented" in ran.err
    prepared, _ = counted
    assert len(prepared) == 1


def test_explaining_a_photo_and_evaluating_prepare_once(run, counted, scenes, store, tmp_path):
    prepared, opened = counted
    photo = next((tmp_path / "scenes").glob("*.png"))
    assert run("explain", photo, "--store", store, "--at", "2,2").code == 0 and len(prepared) == 1
    opened.clear()
    assert run("evaluate", scenes, "--store", store).code == 0
    assert (len(prepared), opened) == (2, ["reference.scenes"])


def test_an_addition_opens_every_source_once_and_its_probe(run, counted, scenes, store):
    _, opened = counted
    opened.clear()
    ran = run("class", "add", "ball", scenes, "--store", store, "--check", scenes.replace("count=2", "count=3"))
    assert ran.code == 0, ran.err
    assert opened == ["reference.scenes"] * 2


@pytest.fixture
def reads(labelled, monkeypatch):
    """How often each file of a data set was opened for its bytes; its files count as old ones."""
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    counted, original = Counter(), os.open

    def counting(path, *arguments, **more):
        if Path(path).is_relative_to(root):
            counted[Path(path).relative_to(root).as_posix()] += 1
        return original(path, *arguments, **more)

    monkeypatch.setattr(os, "open", counting)
    monkeypatch.setattr(file_bytes, "SETTLED", -1.0)
    return counted


def test_a_build_reads_each_photo_and_each_map_once_and_a_further_one_none(run, labelled, reads, tmp_path):
    root, _ = labelled
    command = ("build", f"label-maps:{root}", "--store", tmp_path / "store", "--set", f"weights.folder={tmp_path}")
    assert run(*command).code == 0
    assert reads == {f"{folder}/{name}.png": 1 for folder in ("images", "labels") for name in "ab"}
    reads.clear()
    assert run(*command).code == run(*command, "--dry-run").code == 0
    assert not reads


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_file_that_changed_is_worked_on_again_whatever_its_time_and_no_other(run, labelled, reads, tmp_path, folder):
    root, _ = labelled
    command = ("build", f"label-maps:{root}", "--store", tmp_path / "store", "--set", f"weights.folder={tmp_path}")
    assert run(*command).code == 0
    reads.clear()
    changed = root / folder / "a.png"
    status = changed.stat()
    mode, colour = ("RGB", (60, 90, 30)) if folder == "images" else ("L", 0)
    Image.new(mode, (96, 64), colour).save(changed)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    told = json.loads(run(*command, "--json").out)
    assert (told["images"], told["skipped"]) == (1, 1)
    assert reads == dict.fromkeys(("images/a.png", "labels/a.png"), 1)
