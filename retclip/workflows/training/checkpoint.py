"""Checkpoints of a training run: folders that exist completely or not at all; a run resumes from the newest.

`checkpoints/step-00005000/` holds the trainable tensors, the optimiser's state, torch's random state, and state.json
with the step and the sha256 of each file. It is written beside its place, synced, and renamed; a half-written one is
never read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from retclip.errors import DataError
from retclip.own_files import sync_path
from retclip.plugin.checkpoints import file_digest, write_safetensors

NAME = re.compile(r"step-(\d{8})")
WEIGHTS, OPTIMIZER, STATE = "trainable.safetensors", "optimizer.pt", "state.json"


@dataclass(frozen=True, eq=False)
class TrainingState:
    """The state after a step.

    step: steps done.
    tensors: of the trainable.
    optimizer: its state_dict.
    random: torch's global random state, (n,) uint8.
    """

    step: int
    tensors: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    random: Tensor


class Checkpoints:
    """The checkpoints of one run.

    keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def steps(self) -> list[int]:
        """Return the steps with a checkpoint, ascending."""
        if not self.folder.is_dir():
            return []
        matches = (NAME.fullmatch(path.name) for path in self.folder.iterdir() if (path / STATE).is_file())
        return sorted(int(match[1]) for match in matches if match)

    def place(self, step: int) -> Path:
        """Return the folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def save(self, state: TrainingState) -> Path:
        """Write a checkpoint, remove the oldest ones, and return its folder.

        state: weights, optimizer and random state after a step.

        Raises OSError where the disk refuses it.
        """
        final = self.place(state.step)
        temporary = final.with_name(f".{final.name}.{os.getpid()}")
        self.clear()
        temporary.mkdir(parents=True)
        write_safetensors(state.tensors, temporary / WEIGHTS)
        torch.save({"optimizer": dict(state.optimizer), "random": state.random}, temporary / OPTIMIZER)
        digests = {name: file_digest(temporary / name) for name in (WEIGHTS, OPTIMIZER)}
        (temporary / STATE).write_text(json.dumps({"step": state.step, "sha256": digests}), encoding="utf-8")
        for path in (*temporary.iterdir(), temporary):
            sync_path(path)
        if final.exists():  # the same step again: it was taken up from an earlier one
            shutil.rmtree(final)
        temporary.rename(final)
        sync_path(self.folder)
        for step in self.steps()[: -self.keep]:
            shutil.rmtree(self.place(step))
        return final

    def clear(self) -> None:
        """Remove half-written checkpoints."""
        for path in self.folder.glob(".step-*") if self.folder.is_dir() else ():
            shutil.rmtree(path)

    def remove(self) -> None:
        """Remove every checkpoint; other files in the folder stay, and the folder with them."""
        self.clear()
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if NAME.fullmatch(path.name) and path.is_dir():
                shutil.rmtree(path)
        with suppress(OSError):
            self.folder.rmdir()

    def latest(self) -> TrainingState | None:
        """Return the newest checkpoint, None without one. Raises DataError for files that changed after they were
        written.
        """
        steps = self.steps()
        return self._read(self.place(steps[-1])) if steps else None

    def _read(self, place: Path) -> TrainingState:
        todo = f"remove {place}: the run then goes on from the checkpoint before it"
        try:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            wrong = [name for name, digest in state["sha256"].items() if file_digest(place / name) != digest]
            if wrong:
                raise DataError(f"a checkpoint as it was written: {place}", f"{', '.join(wrong)} changed", todo)
            optimizer_state = torch.load(place / OPTIMIZER, map_location="cpu", weights_only=True)
            return TrainingState(
                int(state["step"]), load_file(place / WEIGHTS), optimizer_state["optimizer"], optimizer_state["random"]
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise DataError(f"a readable checkpoint {place}", f"{type(error).__name__}: {error}", todo) from error
