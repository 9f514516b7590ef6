"""Weights that are not whole, for the tests of whoever writes a loader: each copy must be refused by its name.

def test_weights_that_are_not_whole_are_refused(folder, tmp_path):
    info = PluginManager.discover().find("backbone", "mine.keys")
    assert [one for one in check_refusals(info, "model", folder, tmp_path) if one.ok is not True] == []
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retclip.errors import WeightsDamaged, WeightsMissing
from retclip.plugin.calls import reason_of
from retclip.plugin.checkpoints import read_metadata, read_state, write_safetensors
from retclip.plugin.conformance import CheckResult
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.manager import PluginManager
from retclip.plugin.whole_weights import NOT_FINITE
from retclip.types import Device

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n"
OF_TENSORS = ("missing", "left over", "of another shape", NOT_FINITE)
DAMAGES = (*OF_TENSORS, "cut short", "a pointer", "a page", "gone")


def check_refusals(
    info: ComponentInfo, setting: str, weights: Path, into: Path, settings: Mapping[str, Any] | None = None
) -> list[CheckResult]:
    """Load a component with each damaged copy of its weights.

    setting: the key that names them. weights: a .safetensors file or a folder with a model.safetensors, whole. into:
    where the copies go. settings: the others that it needs.

    A copy is refused well by WeightsDamaged or WeightsMissing that names it, and of a wrong tensor says what is wrong.
    """
    manager = PluginManager([info], [])
    results = []
    for damage, copy in damaged_copies(weights, into):
        try:
            manager.load(info.kind, info.full_name, {**(settings or {}), setting: str(copy)}, Device())
            detail = "it loaded"
        except (WeightsDamaged, WeightsMissing) as error:
            is_named = str(copy) in str(error) and (damage not in OF_TENSORS or error.got.startswith(f"1 {damage}: "))
            detail = "" if is_named else f"it was refused as: {error}"
        except Exception as error:
            detail = reason_of(error)
        results.append(CheckResult(f"weights: {damage}", not detail, detail))
    return results


def damaged_copies(weights: Path, into: Path) -> Iterator[tuple[str, Path]]:
    """Of a .safetensors file, or a folder with a model.safetensors, one copy after the other, each below `into`, with
    what was done to it: a tensor missing, one left over, one of another shape, one with a NaN, the file cut short,
    something else in its place, or nothing there any more."""
    for damage in DAMAGES:
        folder = into / damage.replace(" ", "-")
        if weights.is_dir():
            copy, file = shutil.copytree(weights, folder), folder / "model.safetensors"
        else:
            folder.mkdir(parents=True)
            copy = file = Path(shutil.copy(weights, folder / weights.name))
        if damage == "gone":
            shutil.rmtree(folder)
        else:
            _damage(file, damage)
        yield damage, copy


def _damage(file: Path, damage: str) -> None:
    if damage in ("a pointer", "a page"):
        file.write_text(POINTER if damage == "a pointer" else PAGE, encoding="utf-8")
    elif damage == "cut short":
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    else:
        tensors, words = read_state(file), read_metadata(file)
        write_safetensors(_changed(tensors, damage), file, words)


def _changed(tensors: dict[str, Tensor], damage: str) -> dict[str, Tensor]:
    largest = max(tensors, key=lambda name: tensors[name].numel())
    if damage == "missing":
        return {name: tensor for name, tensor in tensors.items() if name != largest}
    if damage == "left over":
        return {**tensors, f"{largest}.more": torch.zeros(1)}
    if damage == NOT_FINITE:
        numbers = tensors[largest].clone()
        numbers.view(-1)[-1] = float("nan")
        return {**tensors, largest: numbers}
    return {**tensors, largest: torch.cat((tensors[largest], tensors[largest]))}
