"""sha256 of weight files: what is written down is read, what is not is computed, and a large file only once."""

import hashlib
import json
import os

import pytest

from retclip.errors import DataError
from retclip.plugin import checkpoints, weight_digests
from retclip.plugin.weight_digests import REMEMBERED, read_manifest
from retclip.plugin.weights import MANIFEST, cached_in


@pytest.fixture
def computed(monkeypatch):
    """The files whose digest was computed."""
    found, original = [], checkpoints.file_digest
    monkeypatch.setattr(checkpoints, "file_digest", lambda path: found.append(path.name) or original(path))
    return found


def digests(cache, *files):
    with cached_in(cache):
        return weight_digests.weight_digests({one.name: one for one in files})


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha(content):
    return hashlib.sha256(content).hexdigest()


def test_what_was_written_down_when_weights_came_is_believed(tmp_path, computed):
    model = put(tmp_path / "weights/big/model.safetensors")
    inner = put(tmp_path / "weights/big/sub/b.safetensors")
    entries = {"model.safetensors": {"sha256": "a" * 64}, "sub/b.safetensors": {"sha256": "b" * 64}}
    put(tmp_path / "weights/big" / MANIFEST, json.dumps(entries).encode())
    assert digests(tmp_path, model, inner) == {"b.safetensors": "b" * 64, "model.safetensors": "a" * 64}
    assert computed == []


def test_a_file_that_changed_since_or_was_put_there_by_hand_is_computed(tmp_path, computed):
    model = put(tmp_path / "weights/big/model.safetensors", b"new")
    other = put(tmp_path / "weights/big/other.json", b"{}")
    put(tmp_path / "weights/big" / MANIFEST, json.dumps({"model.safetensors": {"sha256": "a" * 64}}).encode())
    later = (tmp_path / "weights/big" / MANIFEST).stat().st_mtime + 5
    os.utime(model, (later, later))
    assert digests(tmp_path, model, other) == {"model.safetensors": sha(b"new"), "other.json": sha(b"{}")}
    assert computed == ["model.safetensors", "other.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"model.safetensors": 5}', '{"model.safetensors": {"sha256": null}}'])
def test_a_damaged_manifest_says_nothing(tmp_path, text):
    put(tmp_path / "weights/big" / MANIFEST, text.encode())
    assert read_manifest(tmp_path / "weights/big") == {}
    assert digests(tmp_path, put(tmp_path / "weights/big/model.safetensors")) == {"model.safetensors": sha(b"x")}


def test_a_large_file_of_the_user_s_own_is_read_once_until_it_changes(tmp_path, computed, monkeypatch):
    monkeypatch.setattr(weight_digests, "LARGE", 4)
    large, small = put(tmp_path / "large.safetensors", b"large"), put(tmp_path / "small.json", b"{}")
    cache = tmp_path / "cache"
    for _ in range(3):
        assert digests(cache, large, small) == {"large.safetensors": sha(b"large"), "small.json": sha(b"{}")}
    assert computed == ["large.safetensors", *["small.json"] * 3]
    put(large, b"larger")
    assert digests(cache, large) == {"large.safetensors": sha(b"larger")}
    put(cache / REMEMBERED, b"damaged")
    assert digests(cache, large) == {"large.safetensors": sha(b"larger")}
    assert computed.count("large.safetensors") == 3 and [one.name for one in cache.iterdir()] == [REMEMBERED]


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_digests, "LARGE", 0)
    no_folder = put(tmp_path / "cache")
    assert digests(no_folder, put(tmp_path / "a.safetensors")) == {"a.safetensors": sha(b"x")}


def test_a_file_that_is_gone_is_told(tmp_path):
    with pytest.raises(DataError, match=r"a\.safetensors"):
        digests(tmp_path, tmp_path / "a.safetensors")
