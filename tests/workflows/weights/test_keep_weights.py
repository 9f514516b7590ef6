"""Weights that a person has: whole or not at all, safe whatever they came as, never in the place of others unasked."""

import hashlib
import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from retclip.errors import ConfigError, DataError, WeightsDamaged
from retclip.plugin.weights import WeightFile, Weights, folder_of, located
from retclip.workflows.weights.keep_weights import take
from retclip.workflows.weights.verify_weights import verify

CONTENT = save({"a": torch.arange(320_000.0)})  # more than one block
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def weights(*files):
    return Weights("model", "a model", "MIT", "https://example.org/model", 1, files)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def stopped(one, content):
    """As a download leaves it that was killed."""
    folder_of(one).mkdir(parents=True, exist_ok=True)
    part = folder_of(one) / f"{one.files[0].path}.part"
    part.write_bytes(content)
    return part


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pth"
    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"model": {"a": shared, "b": shared.T}, "iteration": 7}, path)
    return path


def test_a_pickled_checkpoint_becomes_safetensors(checkpoint):
    one = weights(WeightFile("model.pth"))
    path = take(one, checkpoint)
    assert path.name == "model.safetensors"
    found = load_file(path)
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert located(one) == path.parent
    written = json.loads((path.parent / "weights.json").read_text())["model.safetensors"]
    assert written["came_with_sha256"] == sha256(checkpoint.read_bytes())
    assert [finding.state for finding in verify(one)] == ["ok"]


def test_code_in_a_pickle_never_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "evil.pth"
    for write in (
        lambda: torch.save({"a": Evil()}, path),
        lambda: torch.save({"a": Evil()}, path, _use_new_zipfile_serialization=False),
        lambda: path.write_bytes(pickle.dumps(Evil(), protocol=2)),
    ):
        write()
        for name in ("model.pth", "model.safetensors"):
            one = weights(WeightFile(name))
            with pytest.raises(DataError, match=r"plain tensors.*system"):
                take(one, path)
            assert not (tmp_path / "ran").exists()
            assert list(folder_of(one).iterdir()) == []


def test_a_pickle_under_the_name_of_safetensors_is_converted(checkpoint):
    one = weights(WeightFile("model.safetensors"))
    assert load_file(take(one, checkpoint))["b"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_an_import_leaves_a_download_that_stopped_alone_until_it_has_succeeded(checkpoint, tmp_path):
    one = weights(WeightFile("model.pth"))
    part = stopped(one, b"half of it")
    bad = tmp_path / "bad.pth"
    bad.write_text("hello")
    with pytest.raises(DataError):
        take(one, bad)
    with pytest.raises(DataError, match="readable"):
        take(one, tmp_path)
    assert part.read_bytes() == b"half of it"
    take(one, checkpoint)
    assert sorted(path.name for path in folder_of(one).iterdir()) == ["model.safetensors", "weights.json"]


def test_a_file_may_be_imported_from_its_own_place(checkpoint):
    one = weights(WeightFile("model.pth"))
    take(one, take(one, checkpoint))
    assert [finding.state for finding in verify(one)] == ["ok"]


def test_safetensors_are_taken_as_they_are_whatever_they_are_called(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file({"a": torch.ones(2)}, path)
    one = weights(WeightFile("model.pth"))
    assert take(one, path).read_bytes() == path.read_bytes()


def test_one_of_several_files_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(CONTENT)
    one = weights(WeightFile("config.json"), WeightFile("model.safetensors"))
    assert take(one, path).name == "config.json"
    with pytest.raises(DataError, match="--as NAME"):
        take(one, tmp_path / "other.json")
    assert take(one, path, "model.safetensors").name == "model.safetensors"
    with pytest.raises(DataError, match="readable"):
        take(one, tmp_path / "config.json.none", "config.json")


def test_a_known_digest_is_held_to_on_import_too(checkpoint):
    with pytest.raises(WeightsDamaged, match="nothing was kept"):
        take(weights(WeightFile("model.pth", sha256=sha256(b"x"))), checkpoint)
    assert list(folder_of(weights()).iterdir()) == []
    for digest in (sha256(checkpoint.read_bytes()), sha256(checkpoint.read_bytes()).upper()):
        take(weights(WeightFile("model.pth", sha256=digest)), checkpoint)


def test_an_import_of_another_length_is_refused_and_leaves_what_was_here(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(CONTENT)
    with pytest.raises(WeightsDamaged, match="4 bytes"):
        take(weights(WeightFile("model.safetensors", size=4)), path)
    take(weights(WeightFile("model.safetensors", size=len(CONTENT), sha256=sha256(CONTENT))), path)


@pytest.mark.parametrize("known", [{}, {"size": 500, "sha256": sha256(CONTENT)}], ids=["", "pinned"])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "config.json"])
@pytest.mark.parametrize(
    ("content", "says"), [(POINTER, "git lfs pull"), (PAGE, "a web page")], ids=["pointer", "page"]
)
def test_what_stands_in_the_place_of_a_file_is_told_for_what_it_is(tmp_path, known, name, content, says):
    """Not "another sha256", nor "no checkpoint", nor taken, as a file that nothing reads while it comes."""
    path, one = tmp_path / name, weights(WeightFile(name, **known))
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        take(one, path)
    assert not folder_of(one).exists()


@pytest.fixture
def another(tmp_path):
    path = tmp_path / "another.pth"
    torch.save({"a": torch.zeros(3)}, path)
    return path


def test_other_weights_are_not_replaced_unasked(checkpoint, another):
    one = weights(WeightFile("model.pth"))
    kept = take(one, checkpoint)
    before = {path.name: path.read_bytes() for path in kept.parent.iterdir()}
    with pytest.raises(ConfigError, match="--replace"):
        take(one, another)
    assert {path.name: path.read_bytes() for path in kept.parent.iterdir()} == before
    take(one, checkpoint)  # the same once more changes nothing
    assert kept.read_bytes() == before[kept.name]
    assert load_file(take(one, another, replace=True)).keys() == {"a"}
    assert [finding.state for finding in verify(one)] == ["ok"]


def test_a_file_that_a_person_put_there_is_not_replaced_unasked_either(checkpoint):
    one = weights(WeightFile("model.safetensors"))
    folder_of(one).mkdir(parents=True)
    (folder_of(one) / "model.safetensors").write_bytes(CONTENT)
    with pytest.raises(ConfigError, match="--replace"):
        take(one, checkpoint)
    assert (folder_of(one) / "model.safetensors").read_bytes() == CONTENT


def test_what_only_stands_there_is_replaced(checkpoint):
    one = weights(WeightFile("model.safetensors"))
    folder_of(one).mkdir(parents=True)
    (folder_of(one) / "model.safetensors").write_bytes(POINTER)
    assert load_file(take(one, checkpoint)).keys() == {"a", "b"}
