"""What a run writes down of its components, and how people are told."""

from dataclasses import replace
from hashlib import sha256

import pytest

from retclip.errors import DataError
from retclip.workflows.building.provenance import components, told_components, told_weights

PHOTOS = "folder:photos"


@pytest.fixture
def parts(kit, tmp_path):
    """A proposer of two files and a backbone of none."""
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_text(name)
    files = {f"model/{name}": tmp_path / name for name in ("model.safetensors", "config.json")}
    plain = kit.parts(None)
    return replace(plain, proposer=replace(plain.proposer, files=files, settings={"b": 1, "a": 2}))


def test_names_versions_settings_and_the_digest_of_every_file(parts):
    found = components(parts, PHOTOS)
    assert list(found) == ["proposer", "backbone"]
    proposer, backbone = found["proposer"], found["backbone"]
    assert (proposer["name"], proposer["version"], backbone["name"]) == ("stub.masks", "1", "stub.colour")
    assert proposer["weights"] == {
        f"model/{name}": sha256(name.encode()).hexdigest() for name in ("config.json", "model.safetensors")
    }
    assert backbone["weights"] == {} and len(backbone["settings_sha256"]) == 64


def test_the_settings_digest_hears_every_setting_but_not_their_order(parts):
    def settings(**given):
        return components(replace(parts, proposer=replace(parts.proposer, settings=given)), PHOTOS)["proposer"]

    assert settings(a=2, b=1)["settings_sha256"] == components(parts, PHOTOS)["proposer"]["settings_sha256"]
    assert settings(a=2, b=2)["settings_sha256"] != settings(a=2, b=1)["settings_sha256"]


def test_a_second_backbone_has_a_record_of_its_own(kit, parts):
    second = replace(parts, second_backbone=kit.loaded("stub.keys", kit.Backbone()))
    assert components(second, PHOTOS)["keys"]["name"] == "stub.keys"


def test_who_read_the_source_is_told_where_it_is_known(parts):
    known = replace(parts, reader=lambda address: {"name": address.partition(":")[0], "version": "3"})
    found = components(known, PHOTOS)
    assert list(found) == ["proposer", "backbone", "source"] and found["source"] == {"name": "folder", "version": "3"}
    assert told_components(found).endswith("; source folder 3")


def test_a_file_that_is_gone_is_told(parts, tmp_path):
    (tmp_path / "config.json").unlink()
    with pytest.raises(DataError, match=r"config\.json"):
        components(parts, PHOTOS)


def test_people_are_told_the_first_digits_of_what_holds_tensors(parts):
    found = components(parts, PHOTOS)
    short = sha256(b"model.safetensors").hexdigest()[:8]
    assert told_weights(found, "proposer") == short
    assert told_weights(found, "proposer", names=True) == f"model/model.safetensors {short}"
    assert told_weights(found, "backbone") == "none"
    assert told_weights({}, "proposer") == "not recorded"
    only = {"proposer": {"weights": {"a/vocab.txt": "f" * 64}}}
    assert told_weights(only, "proposer") == "f" * 8
    told = told_components(found)
    assert told.startswith(f"proposer stub.masks 1 (weights: model/model.safetensors {short}); backbone stub.colour 1")
    assert told_components({}) == "components not recorded"
