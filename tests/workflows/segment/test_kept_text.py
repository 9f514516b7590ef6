"""Text vectors kept between two runs: the same as read anew, and never those of something else."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from retclip.own_files import write_durably
from retclip.plugin.read_names import tell_read_alike
from retclip.plugin.weights import cached_in
from retclip.types import Device
from retclip.workflows.segment import kept_text as module
from retclip.workflows.segment.kept_text import kept_text
from retclip.workflows.segment.parts import Loaded

NAMES = [f"class {number}" for number in range(80)]
ALIKE = ("Käfer", "KÄFER")  # two names that the backbone reads alike


class Reader:
    """A backbone that reads names, and counts how often it does."""

    def __init__(self) -> None:
        self.space, self.reads = SimpleNamespace(id="space", dim=4), 0

    def read(self, names) -> torch.Tensor:
        self.reads += 1
        self.asked = list(names)
        return torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(len(name) + 1000 * self.reads)) if
                            name not in ALIKE else torch.ones(4) for name in names])  # fmt: skip


@pytest.fixture
def backbone(tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    with cached_in(tmp_path / "cache"):
        yield Loaded("test.clip", "1", Reader(), Device(), {"templates": 7}, frozenset(), frozenset(), {"w": weights})


def ask(backbone, names=NAMES) -> torch.Tensor:
    return kept_text(backbone, names, backbone.component.read)


def test_the_second_run_reads_a_file(backbone) -> None:
    first = ask(backbone)
    assert torch.equal(ask(backbone), first) and backbone.component.reads == 1


def test_by_other_settings_weights_or_precision_they_are_read_anew(backbone) -> None:
    ask(backbone)
    others = [
        replace(backbone, settings={"templates": 8}), replace(backbone, version="2"), replace(backbone, name="test.b"),
        replace(backbone, device=Device(dtype="bfloat16")),
    ]  # fmt: skip
    for number, other in enumerate(others):
        ask(other)
        assert backbone.component.reads == number + 2
    backbone.files["w"].write_bytes(b"other weights")
    ask(backbone)
    assert backbone.component.reads == len(others) + 2


def test_other_weights_of_the_same_size_and_time_are_told_apart(backbone, tmp_path) -> None:
    ask(backbone)
    weights, other = backbone.files["w"], tmp_path / "other.bin"
    before = weights.stat()
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    shutil.copy2(other, tmp_path / "copy.bin")
    (tmp_path / "copy.bin").replace(weights)  # as rsync -t does
    assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    ask(backbone)
    assert backbone.component.reads == 2
    written = weights.stat()
    while weights.stat().st_ctime_ns == written.st_ctime_ns:  # the kernel's clock ticks every few ms
        other.write_bytes(b"Weights")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        shutil.copy2(other, weights)  # as cp -p does: into the same inode
    after = weights.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (written.st_ino, before.st_size, before.st_mtime_ns)
    ask(backbone)
    assert backbone.component.reads == 3


def test_by_another_version_of_a_text_library_they_are_read_anew(backbone, monkeypatch) -> None:
    ask(backbone)
    monkeypatch.setattr(module.metadata, "version", lambda _: "0.0")
    ask(backbone)
    assert backbone.component.reads == 2


def test_names_that_another_process_keeps_meanwhile_stay(backbone) -> None:
    def read(names) -> torch.Tensor:
        ask(backbone, ["paddle"])
        return backbone.component.read(names)

    kept_text(backbone, ["kayak"], read)
    ask(backbone, ["kayak", "paddle"])
    assert backbone.component.reads == 2, "each of them once"


def test_who_writes_holds_the_lock(backbone, tmp_path, monkeypatch) -> None:
    held = []

    def write(path, content) -> None:
        with (tmp_path / "cache" / ".text.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(path)
        write_durably(path, content)

    monkeypatch.setattr(module, "write_durably", write)
    ask(backbone)
    assert len(held) == 1
    with (tmp_path / "cache" / ".text.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_name_more_is_read_alone_and_the_order_is_that_of_the_names(backbone) -> None:
    first = ask(backbone)
    longer = ask(backbone, [*NAMES[::-1], "kayak", "class 3"])
    assert backbone.component.asked == ["kayak"]
    assert torch.equal(longer[:80], first.flip(0)) and torch.equal(longer[81], first[3])
    assert torch.equal(ask(backbone, ["kayak"]), longer[80:81]) and backbone.component.reads == 2


def test_a_backbone_without_weights_is_read_each_time(backbone, tmp_path) -> None:
    for _ in range(2):
        ask(replace(backbone, files={}))
    assert backbone.component.reads == 2 and not (tmp_path / "cache").exists()


def test_a_backbone_without_a_text_tower_has_none(backbone) -> None:
    assert kept_text(backbone, NAMES, lambda _: None) is None


def test_kept_names_that_are_read_alike_are_told(backbone, caplog) -> None:
    for name in ALIKE:
        ask(backbone, [name])
    ask(backbone, ["Käfer", "class 1", "KÄFER"])
    assert "test.clip reads these names alike" in caplog.text and "'KÄFER'" in caplog.text


def test_names_that_the_tower_tells_of_are_told_once(backbone, caplog) -> None:
    def read(names) -> torch.Tensor:
        tell_read_alike({name: [7] for name in names}, "the tower")
        return torch.ones(len(names), 4)

    kept_text(backbone, ["zebu", "ZEBU"], read)
    assert caplog.text.count("reads these names alike") == 1 and "the tower" in caplog.text
    kept_text(backbone, ["zebu", "ZEBU"], read)
    assert caplog.text.count("reads these names alike") == 2 and "test.clip" in caplog.text, "now the tower reads none"


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_not_believed(backbone, tmp_path, damage) -> None:
    first = ask(backbone)
    (path,) = (tmp_path / "cache" / "text").iterdir()
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(bytes(whole) if damage is None else damage)
    again = ask(backbone)
    assert backbone.component.reads == 2 and not torch.equal(again, first), "the reader counts"
    assert torch.equal(ask(backbone), again) and backbone.component.reads == 2


def test_a_folder_that_cannot_be_written_costs_no_answer(backbone, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert ask(backbone).shape == ask(backbone).shape == (80, 4) and backbone.component.reads == 2


def test_old_files_go(backbone, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FILES", 2)
    for version in "123":
        ask(replace(backbone, version=version))
        ask(replace(backbone, version=version), ["kayak"])
    assert len(list((tmp_path / "cache" / "text").iterdir())) == 2, "a file for each, written anew for a name more"


def test_a_file_of_too_many_names_is_begun_anew(backbone, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST", 80)
    ask(backbone)
    ask(backbone, ["kayak"])
    ask(backbone, ["kayak"])
    ask(backbone, NAMES[:1])
    assert backbone.component.reads == 3
