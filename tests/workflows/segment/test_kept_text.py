"""Text vectors kept between two runs: the same as read anew, and never those of something else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from retclip.plugin.weights import cached_in
from retclip.types import Device
from retclip.workflows.segment import kept_text as module
from retclip.workflows.segment.kept_text import kept_text
from retclip.workflows.segment.parts import Loaded

NAMES = [f"class {number}" for number in range(80)]


class Reader:
    """A backbone that reads names, and counts how often it does."""

    def __init__(self) -> None:
        self.space, self.reads = SimpleNamespace(id="space", dim=4), 0

    def read(self, names=NAMES) -> torch.Tensor:
        self.reads += 1
        return torch.randn(len(names), 4, generator=torch.Generator().manual_seed(len(names)))


@pytest.fixture
def backbone(tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    with cached_in(tmp_path / "cache"):
        yield Loaded("test.clip", "1", Reader(), Device(), {"templates": 7}, frozenset(), frozenset(), {"w": weights})


def ask(backbone, names=NAMES) -> torch.Tensor:
    return kept_text(backbone, names, lambda: backbone.component.read(names))


def test_the_second_run_reads_a_file(backbone) -> None:
    first = ask(backbone)
    assert torch.equal(ask(backbone), first) and backbone.component.reads == 1


def test_other_names_settings_weights_or_precision_are_read_anew(backbone) -> None:
    ask(backbone)
    others = [
        replace(backbone, settings={"templates": 8}), replace(backbone, version="2"), replace(backbone, name="test.b"),
        replace(backbone, device=Device(dtype="bfloat16")),
    ]  # fmt: skip
    for number, other in enumerate(others):
        ask(other)
        assert backbone.component.reads == number + 2
    ask(backbone, NAMES[::-1])
    backbone.files["w"].write_bytes(b"other weights")
    ask(backbone)
    assert backbone.component.reads == len(others) + 3


def test_few_names_and_a_backbone_without_weights_are_read_each_time(backbone, tmp_path) -> None:
    for _ in range(2):
        ask(backbone, NAMES[:5])
        ask(replace(backbone, files={}))
    assert backbone.component.reads == 4 and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_not_believed(backbone, tmp_path, damage) -> None:
    first = ask(backbone)
    (path,) = (tmp_path / "cache" / "text").iterdir()
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(bytes(whole) if damage is None else damage)
    assert torch.equal(ask(backbone), first) and backbone.component.reads == 2
    assert torch.equal(ask(backbone), first) and backbone.component.reads == 2


def test_a_folder_that_cannot_be_written_costs_no_answer(backbone, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert torch.equal(ask(backbone), ask(backbone)) and backbone.component.reads == 2


def test_old_files_go(backbone, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FILES", 2)
    for count in (70, 71, 72):
        ask(backbone, NAMES[:count])
    assert len(list((tmp_path / "cache" / "text").iterdir())) == 2
