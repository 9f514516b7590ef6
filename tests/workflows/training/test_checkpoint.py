"""Checkpoints: whole or not there, the newest taken, the oldest dropped."""

import pytest
import torch

from retclip.errors import DataError
from retclip.workflows.training.checkpoint import Checkpoints, TrainingState


def state(step):
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return TrainingState(step, layer.state_dict(), optimizer.state_dict(), torch.get_rng_state())


def test_what_is_saved_is_read_again_and_only_the_newest_stay(tmp_path):
    kept = Checkpoints(tmp_path / "checkpoints", 2)
    assert kept.latest() is None and kept.steps() == []
    states = [state(step) for step in (10, 5, 200)]
    for one in states:
        kept.save(one)
    assert kept.steps() == [10, 200]
    found, wanted = kept.latest(), states[2]
    assert found.step == 200 and torch.equal(found.random, wanted.random)
    assert all(torch.equal(found.tensors[name], value) for name, value in wanted.tensors.items())
    moments, theirs = found.optimizer["state"][0], wanted.optimizer["state"][0]
    assert torch.equal(moments["exp_avg"], theirs["exp_avg"]) and moments["step"] == theirs["step"]
    kept.save(state(200))  # again: the run was taken up before it
    assert kept.steps() == [10, 200]


def test_what_is_half_written_is_no_checkpoint(tmp_path):
    kept = Checkpoints(tmp_path, 2)
    kept.save(state(1))
    (tmp_path / ".step-00000002.77").mkdir()
    (tmp_path / "step-00000003").mkdir()
    (tmp_path / "notes.txt").touch()
    assert kept.steps() == [1]
    kept.clear()
    assert not (tmp_path / ".step-00000002.77").exists() and (tmp_path / "step-00000001").exists()


@pytest.mark.parametrize("name", ["trainable.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100])
def test_a_damaged_one_is_told_with_the_cure(tmp_path, name, content):
    kept = Checkpoints(tmp_path, 2)
    place = kept.save(state(7))
    (place / name).write_bytes(content)
    with pytest.raises(DataError, match=r"step-00000007: the run then goes on from the checkpoint before it"):
        kept.latest()


def test_tensors_that_share_memory_are_saved(tmp_path):
    weight = torch.ones(3)
    shared = TrainingState(1, {"a": weight, "b": weight[:]}, {}, torch.get_rng_state())
    kept = Checkpoints(tmp_path, 1)
    kept.save(shared)
    assert torch.equal(kept.latest().tensors["b"], weight)
