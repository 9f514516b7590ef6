"""Copies of weights that are not whole, for the tests of whoever writes a loader: each must be refused.

for damage, copy in damaged_copies(folder, tmp_path):
    with pytest.raises(WeightsDamaged):
        manager.load("backbone", "mine.keys", {"model": str(copy)}, Device())
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from retclip.plugin.checkpoints import read_metadata, read_state, write_safetensors

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n"


def damaged_copies(weights: Path, into: Path) -> Iterator[tuple[str, Path]]:
    """Of a .safetensors file, or a folder with a model.safetensors, one copy after the other, each below `into`, with
    what was done to it: a tensor missing, one left over, one of another shape, the file cut short, or something else in
    its place."""
    for damage in ("missing", "left over", "of another shape", "cut short", "a pointer", "a page"):
        folder = into / damage.replace(" ", "-")
        if weights.is_dir():
            copy, file = shutil.copytree(weights, folder), folder / "model.safetensors"
        else:
            folder.mkdir(parents=True)
            copy = file = Path(shutil.copy(weights, folder / weights.name))
        _damage(file, damage)
        yield damage, copy


def _damage(file: Path, damage: str) -> None:
    if damage in ("a pointer", "a page"):
        file.write_text(POINTER if damage == "a pointer" else PAGE, encoding="utf-8")
    elif damage == "cut short":
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    else:
        tensors, words = read_state(file), read_metadata(file)
        write_safetensors(_changed(tensors, damage), file, words)


def _changed(tensors: dict[str, Tensor], damage: str) -> dict[str, Tensor]:
    largest = max(tensors, key=lambda name: tensors[name].numel())
    if damage == "missing":
        return {name: one for name, one in tensors.items() if name != largest}
    if damage == "left over":
        return {**tensors, f"{largest}.more": torch.zeros(1)}
    return {**tensors, largest: torch.cat((tensors[largest], tensors[largest]))}
