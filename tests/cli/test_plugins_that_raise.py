"""A photo on which a plugin raises is that photo's failure, in every command; a wrong answer is the plugin's."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PLUGIN = """
import numpy, torch
from retclip.plugin import Component, Settings, impl
from retclip.types import DenseFeatures, FeatureSpace, MaskProposals, SegmentFeatures

class PanicException(BaseException):
    "As the bridge to Rust raises it."

class Names(Settings):
    fault: str = ""

FAULTS = {
    "panic": lambda: (_ for _ in ()).throw(PanicException("index out of bounds")),
    "exit": lambda: (_ for _ in ()).throw(SystemExit(3)),
    "none": lambda: None,
    "numpy": lambda: [numpy.ones((1, 8, 8))],
    "generator": lambda: (one for one in ()),
    "no number": lambda: [MaskProposals(torch.full((1, 8, 8), torch.nan), torch.ones(1), (64, 96))],
}

def fails(image):
    return "p1" in image.uri

class Masks:
    def __init__(self, options, device): self.fault = options.fault
    def propose(self, images, vocabulary, features):
        if any(map(fails, images)):
            if self.fault: return FAULTS[self.fault]()
            raise ValueError("cannot reshape tensor of 0 elements")
        whole = torch.ones(1, 8, 8), torch.ones(1)
        return [MaskProposals(*whole, image.size, prompts=vocabulary.names[:1]) for image in images]

class Keys:
    space = FeatureSpace("poison.keys", "none", "none", "none", 2)
    def __init__(self, options, device): pass
    def dense_features(self, images):
        if any(map(fails, images)): raise ZeroDivisionError("no pixels")
        return [DenseFeatures(torch.ones(2, 1, 1), self.space, image.size) for image in images]
    def segment_vectors(self, features, masks, logits=None):
        vectors = torch.eye(2)[torch.zeros(len(masks), dtype=int)]
        return SegmentFeatures(vectors, torch.ones(len(masks)).bool(), self.space)
    def text_vectors(self, names): return None

@impl
def retclip_mask_proposers(): return [Component("masks", "raises on one photo", Names, Masks)]
@impl
def retclip_backbones(): return [Component("keys", "raises on one photo", Names, Keys)]
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The plugin `poison`, four photos of two stripes with their labels, and this folder as the working one."""
    info = tmp_path / "installed" / "retclip_poison-0.1.dist-info"
    info.mkdir(parents=True)
    (info.parent / "retclip_poison.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: retclip-poison\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[retclip]\npoison = retclip_poison\n")
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.delitem(__import__("sys").modules, "retclip_poison", raising=False)
    root, rng = tmp_path / "photos", np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    (root / "classes.txt").write_text("sky\ngrass\n")
    labels = np.repeat(np.array([0, 1], np.uint8), 48)[None].repeat(64, 0)
    for number in range(4):
        pixels = np.where(labels[..., None] == 0, (40, 90, 220), (30, 160, 40)) + rng.integers(-9, 10, (64, 96, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"p{number}.png")
        Image.fromarray(labels).save(root / "labels" / f"p{number}.png")
    monkeypatch.chdir(tmp_path)
    return root


def listed(folder):
    with Path(folder, "failures.csv").open(encoding="utf-8") as file:
        return {row["external_id"]: row["reason"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_build_lists_the_photo_and_stores_the_others(workers, run, world):
    told = run(
        "build", "label-maps:photos", "--store", "s", "--proposer", "poison.masks", "--workers", workers, "--json"
    )
    assert told.code == 7 and json.loads(told.out)["images"] == 3
    assert "poison.masks to work on" in listed("s")["p1.png"]
    assert "got ValueError: cannot reshape tensor of 0 elements" in listed("s")["p1.png"]


def test_segment_and_evaluate_list_the_photo_and_answer_the_others(run, world):
    assert run("build", "label-maps:photos", "--store", "s").code == 0
    arguments = ("--store", "s", "--proposer", "poison.masks", "--set", "device.batch_size=4")  # all in one group
    told = run("segment", "photos/images", *arguments, "--out", "o")
    assert told.code == 7 and len(list(Path("o").glob("*.evidence.npz"))) == 3
    assert list(listed("o")) == ["p1.png"]
    told = run("evaluate", "label-maps:photos", *arguments, "--json")
    assert told.code == 7
    assert [failure["external_id"] for failure in json.loads(told.out)["failures"]] == ["p1.png"]


def test_class_add_and_add_space_list_the_photo_and_store_the_others(run, world):
    assert run("build", "label-maps:photos", "--store", "s").code == 0
    told = run(
        "class", "add", "kayak", "photos/images", "--crops", "--stuff", "--store", "s", "--proposer", "poison.masks"
    )
    assert told.code == 7 and list(listed("s")) == ["p1.png"]
    told = run("store", "add-space", "--backbone", "poison.keys", "--store", "s", "--json")
    assert told.code == 7
    assert "poison.keys to work on" in listed("s")["p1.png"] and "ZeroDivisionError: no pixels" in listed("s")["p1.png"]


def test_a_fill_lists_the_photo_and_fetches_the_others(run, world):
    assert run("init", "s").code == 0
    sources = ("--set", "fallback.source=label-maps:photos", "--set", "build.proposer=poison.masks")
    told = run("fallback", "fill", "--classes", "sky", "--store", "s", *sources)
    assert told.code == 7 and list(listed("s")) == ["p1.png"]
    assert "sky\t\t3" in run("class", "list", "--store", "s").out


@pytest.mark.parametrize(
    ("fault", "code"), [("panic", 7), ("exit", 4), ("none", 4), ("numpy", 4), ("generator", 4), ("no number", 4)]
)
def test_a_panic_is_the_photo_s_failure_and_another_answer_the_plugin_s_broken_contract(fault, code, run, world):
    chosen = ("--proposer", "poison.masks", "--set", f"plugin.poison.masks.fault={fault}")
    told = run("build", "label-maps:photos", "--store", "s", *chosen)
    assert told.code == code and "Traceback" not in told.err
    if code == 4:
        assert "from poison.masks" in told.err and "report it to the plugin's author" in told.err
    told = run("segment", "photos/images", "--store", "s", "--classes", "sky", "--out", "o", *chosen)
    assert told.code == code and "Traceback" not in told.err
