"""Which list an evaluation says it was asked by: the one that the reader took, and none where a key only sounds so."""

import hashlib
import importlib.metadata
import json
import types

import pytest
from PIL import Image

import retclip

PLUGIN = """
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.plugin import Component, Settings, impl

class Options(Settings):
    path: str
    names: str = "latin"

@impl
def retclip_image_sources():
    return [Component("photos", "", Options, lambda options, _: LabelMaps(LabelMapSettings(path=options.path)))]
"""
SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}}


class Entry:
    name, dist = "acme", None

    def load(self):
        module = types.ModuleType("retclip_acme")
        exec(PLUGIN, module.__dict__)
        return module


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """A data set of one photo, and the plugin `acme` that reads it, too."""
    found = importlib.metadata.entry_points
    acme = lambda wanted: [Entry()] if wanted.get("group") == "retclip" else []  # noqa: E731
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **wanted: [*found(**wanted), *acme(wanted)])
    root = tmp_path / "labelled"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("sky\ngrass\n")
    Image.new("RGB", (96, 64), (40, 90, 30)).save(root / "images" / "a.png")
    Image.new("L", (96, 64), 1).save(root / "labels" / "a.png")
    return root


def listed(root, address, plugin=()):
    """Return the list in the run.json of an evaluation on that address."""
    settings = {**SETTINGS, "plugin": dict(plugin)}
    with retclip.open(root.parent / "store", create=True, settings=settings, preset="appearance") as memory:
        memory.build(address)
        memory.evaluate(address, out=root.parent / "kept")
    run = json.loads((root.parent / "kept" / "run.json").read_text())
    return run["configuration"]["settings"]["names"]["list"]


def test_a_plugin_s_own_key_of_that_name_is_no_list(labelled):
    assert listed(labelled, f"acme.photos:{labelled}?names=english") is None


@pytest.mark.parametrize("said_by", ["address", "settings"])
def test_the_list_that_the_reader_took_is_said_whoever_named_it(labelled, said_by):
    file = labelled.parent / "names.txt"
    file.write_text("0:heaven,sky\n1:lawn,grass\n")
    told = {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    if said_by == "address":
        assert listed(labelled, f"data.label-maps:{labelled}?names={file}") == told
    else:
        plugin = {"data": {"label-maps": {"names": str(file)}}}
        assert listed(labelled, f"data.label-maps:{labelled}", plugin) == told
