"""Tensors out of a TorchScript archive: the state dict of its modules, and nothing of its code."""

import os
import pickle
import zipfile

import pytest
import torch

from retclip.errors import DataError
from retclip.plugin.checkpoints import as_safetensors, read_pickled, read_state
from retclip.plugin.torchscript import is_torchscript

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        self.scale = torch.nn.Parameter(torch.tensor(2.0).half())
        self.register_buffer("side", torch.tensor(448))
        self.tied = self.blocks
        self.widths = [1, 2]

    def forward(self, x):
        return self.blocks(x) * self.scale


@pytest.fixture
def archive(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.pt"
    torch.jit.script(Model().eval()).save(str(path))
    return path


def rewritten(archive, member, content, compression=zipfile.ZIP_STORED):
    """The archive with another content of one member."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    (name,) = (name for name in members if name.endswith(member))
    with zipfile.ZipFile(archive, "w") as new:
        for other, old_content in members.items():
            kept = content if other == name else old_content
            new.writestr(other, kept, compression if other == name else zipfile.ZIP_STORED)


def test_the_tensors_are_those_that_torch_itself_reads(archive):
    assert is_torchscript(archive)
    state, wanted = read_pickled(archive), torch.jit.load(str(archive)).state_dict()
    assert {"blocks.0.weight", "tied.0.weight", "blocks.1.num_batches_tracked", "scale", "side"} <= state.keys()
    assert state.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(state[name], tensor) and state[name].dtype == tensor.dtype


def test_an_archive_is_kept_as_safetensors(archive):
    kept = read_state(as_safetensors(archive))
    assert kept["blocks.0.weight"].shape == (3, 2) and kept["scale"].dtype == torch.float16


def test_an_ordinary_checkpoint_is_none(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(b"hello")
    assert not is_torchscript(tmp_path / "x.pt") and not is_torchscript(tmp_path / "y.pt")
    assert list(read_pickled(tmp_path / "x.pt")) == ["a"]


def test_code_in_the_pickle_never_runs(archive, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    rewritten(archive, "data.pkl", pickle.dumps(Evil(), protocol=2))
    with pytest.raises(DataError, match="more than numbers and text"):
        read_pickled(archive)
    assert not (tmp_path / "owned").exists()


def test_modules_that_hold_themselves_are_refused(archive):
    itself = b"\x80\x02c__torch__\nModel\nq\x00)\x81q\x01}X\x06\x00\x00\x00insideh\x01sb."  # its `inside` is itself
    rewritten(archive, "data.pkl", itself)
    with pytest.raises(DataError, match="hold themselves"):
        read_pickled(archive)


def test_a_storage_that_is_cut_is_refused(archive):
    rewritten(archive, "/data/0", b"")
    with pytest.raises(DataError, match="plain tensors"):
        read_pickled(archive)


def test_a_packed_member_is_refused(archive):
    """Torch packs none; a small file could unpack to any size."""
    with zipfile.ZipFile(archive) as old:
        content = old.read(next(name for name in old.namelist() if name.endswith("/data.pkl")))
    rewritten(archive, "data.pkl", content, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="is packed"):
        read_pickled(archive)
