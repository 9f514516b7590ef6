"""Tensors out of files: what is read, what is refused, and when two states are one."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retclip import limits
from retclip.errors import DataError, WeightsDamaged
from retclip.plugin.checkpoints import (
    as_safetensors,
    read_pickled,
    read_state,
    state_digest,
    without_prefix,
    write_safetensors,
)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"model": s, "iteration": 7, "best": np.float64(0.5), "args": None},
        lambda s: {"state_dict": {"module": s}},
        lambda s: {"model": s, "random_state": torch.ones(5), "losses": np.ones(2)},  # tensors beside the wrapper
    ],
)
def test_a_state_is_found_however_it_is_wrapped(wrap, tmp_path):
    path = tmp_path / "x.pth"
    torch.save(wrap({"a": torch.ones(2), "b": np.zeros((1, 2), np.float32)}), path)
    found = read_pickled(path)
    assert {key: value.shape for key, value in found.items()} == {"a": (2,), "b": (1, 2)}


def test_what_is_no_state_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    itself = {}
    itself["model"] = itself
    for value in ([1, 2], {"a": 1}, {"model": {}}, torch.ones(2), None, itself):
        torch.save(value, path)
        with pytest.raises(DataError, match="tensors by name"):
            read_pickled(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"plain tensors in x\.pth"):
        read_pickled(path, "x.pth")


def test_arrays_that_an_older_numpy_wrote_are_read(tmp_path):
    """Before NumPy 2 the same functions had another address: most published checkpoints are that old."""
    path = tmp_path / "x.pth"
    torch.save({"a": np.arange(3, dtype=np.float32), "b": np.float64(2)}, path, _use_new_zipfile_serialization=False)
    new = path.read_bytes()
    assert b"numpy._core" in new
    path.write_bytes(new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_pickled(path)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [torch.nn.Linear(1, 1), np.array([None]), np.array(["a"]), Path("/"), eval])
def test_more_than_numbers_and_text_is_refused_without_torch_s_advice(value, tmp_path):
    """Its message says how to load the file unsafely, in bold."""
    path = tmp_path / "x.pth"
    torch.save({"a": value}, path)
    with pytest.raises(DataError, match="plain tensors") as caught:
        read_pickled(path)
    assert "weights_only" not in caught.value.got
    assert "\x1b" not in caught.value.got


def test_code_is_named_and_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"a": torch.ones(1), "b": Evil()}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=rf"more than numbers and text: {os.name}\.system"):
        read_pickled(tmp_path / "x.pth")
    assert not (tmp_path / "ran").exists()


def test_what_is_allowed_is_allowed_for_one_file_only(tmp_path):
    before = {*torch.serialization.get_safe_globals()}
    torch.save({"a": np.ones(1)}, tmp_path / "x.pth")
    read_pickled(tmp_path / "x.pth")
    assert {*torch.serialization.get_safe_globals()} == before


@pytest.mark.parametrize(
    "odd", [torch.ones(3).to_sparse(), torch.ones(2, device="meta"), torch.ones(1, dtype=torch.complex128)]
)
def test_what_safetensors_cannot_hold_is_told_and_nothing_is_left(odd, tmp_path):
    torch.save({"a": odd}, tmp_path / "x.pth")
    with pytest.raises(DataError, match="safetensors file can hold"):
        as_safetensors(tmp_path / "x.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


def test_a_place_that_cannot_be_written_is_no_fault_of_the_tensors(tmp_path):
    with pytest.raises(OSError, match="none"):
        write_safetensors({"a": torch.ones(1)}, tmp_path / "none" / "x.safetensors")


def test_whole_safetensors_stay_as_they_are_and_a_pickle_is_written_again(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "whole.part")
    assert as_safetensors(tmp_path / "whole.part") == tmp_path / "whole.part"
    torch.save({"a": torch.ones(2)}, tmp_path / "pickle.part")
    written = as_safetensors(tmp_path / "pickle.part")
    assert written == tmp_path / "pickle.part.safetensors"
    assert read_state(written)["a"].tolist() == [1, 1]
    (tmp_path / "cut.part").write_bytes((tmp_path / "whole.part").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"whole safetensors file model\.safetensors"):
        as_safetensors(tmp_path / "cut.part", "model.safetensors")


def test_safetensors_come_back_as_they_went(tmp_path):
    path, base = tmp_path / "x.safetensors", torch.arange(4.0).reshape(2, 2)
    more = {"d": base[:, ::2], "e": base[:1].expand(2, 2), "f": torch.nn.Parameter(base), "g": base.half()[0, 0]}
    write_safetensors({"a": base, "b": base.T, "c": base[0], **more}, path)
    found = read_state(path)
    assert found["d"].tolist() == [[0], [2]]
    assert found["e"].tolist() == [[0, 1], [0, 1]]
    assert found["f"].tolist() == base.tolist()
    assert (found["g"].dtype, found["g"].shape) == (torch.float16, ())
    assert found["b"].tolist() == [[0, 2], [1, 3]]
    assert found["c"].tolist() == [0, 1]


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsDamaged, match="weights import"):
        read_state(path)
    save_file({"a": torch.ones(100)}, path)
    for content in (path.read_bytes()[:-10], b"", b"<html>log in</html>", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(WeightsDamaged, match=r"x\.safetensors"):
            read_state(path)
    with pytest.raises(WeightsDamaged, match="safetensors file"):
        read_state(tmp_path)


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
    for dtype in (torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool):
        assert state_digest({"x": torch.ones(2, dtype=dtype)}) != state_digest({"x": torch.zeros(2, dtype=dtype)})
    assert state_digest({"x": torch.zeros(0)}) != state_digest({"x": torch.zeros(0, 3)})
    assert state_digest({"x": torch.nn.Parameter(torch.ones(2))}) == state_digest({"x": torch.ones(2)})


def test_a_checkpoint_that_unpacks_to_more_than_is_allowed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_current", limits.Limits(unpacked_bytes=1 << 20))
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    assert read_pickled(path)["a"].shape == (1 << 20,)  # as large as it is on the disk
    with pytest.raises(DataError, match=r"at most 1 MiB of an unpacked checkpoint .*limits\.unpacked_mib"):
        read_pickled(tmp_path / "bomb.pth")


def test_a_number_that_a_stride_of_zero_repeats_is_not_written_out(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, path)
    with pytest.raises(DataError, match=r"at most 1 GiB of tensors in .*x\.pth; got 4096 GiB"):
        read_pickled(path)


def test_a_pointer_in_the_place_of_a_pickle_is_told_for_what_it_is(tmp_path):
    (tmp_path / "x.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    with pytest.raises(DataError, match="Git LFS pointer"):
        read_pickled(tmp_path / "x.pth")
