"""Tensors out of files: what is read, what is refused, and when two states are one."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retclip.errors import DataError
from retclip.plugin.checkpoints import read_pickled, read_state, state_digest, without_prefix, write_safetensors


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s}, lambda s: {"state_dict": {"module": s}}])
def test_a_state_is_found_however_it_is_wrapped(wrap, tmp_path):
    path = tmp_path / "x.pth"
    torch.save(wrap({"a": torch.ones(2), "b": np.zeros((1, 2), np.float32)}), path)
    found = read_pickled(path)
    assert {key: value.shape for key, value in found.items()} == {"a": (2,), "b": (1, 2)}


def test_what_is_no_state_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    for value in ([1, 2], {"a": 1}, {"model": {}}):
        torch.save(value, path)
        with pytest.raises(DataError, match="tensors by name"):
            read_pickled(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"plain tensors in x\.pth"):
        read_pickled(path, "x.pth")


def test_safetensors_come_back_as_they_went(tmp_path):
    path, base = tmp_path / "x.safetensors", torch.arange(4.0).reshape(2, 2)
    write_safetensors({"a": base, "b": base.T, "c": base[0]}, path)
    found = read_state(path)
    assert found["b"].tolist() == [[0, 2], [1, 3]]
    assert found["c"].tolist() == [0, 1]


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(DataError, match="weights import"):
        read_state(path)
    save_file({"a": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"x\.safetensors"):
        read_state(path)


def test_a_prefix_is_taken_off_where_there_is_one():
    tensors = {"clip.a": torch.ones(1), "head.b": torch.ones(1)}
    assert list(without_prefix(tensors, "clip.")) == ["a"]
    assert list(without_prefix(tensors, "none.")) == ["clip.a", "head.b"]


def test_a_state_is_its_names_types_shapes_and_values_in_any_order():
    a, b = torch.arange(6.0).reshape(2, 3), torch.ones(1)
    digest = state_digest({"a": a, "b": b})
    assert digest == state_digest({"b": b.clone(), "a": a.T.contiguous().T})
    others = [{"a": a, "c": b}, {"a": a, "b": b.double()}, {"a": a.reshape(3, 2), "b": b}, {"a": a + 1, "b": b}]
    assert digest not in [state_digest(one) for one in others]
    assert state_digest({"x": torch.tensor(1.0)}) != state_digest({"x": torch.tensor(2.0)})
    assert state_digest({"x": torch.zeros(0)})
