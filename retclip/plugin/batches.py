"""Work in batches, halved on out-of-memory; for the core and for plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from retclip.errors import ContractBroken
from retclip.types import Device

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Slices = TypeVar("Slices", bound="Sliceable")
log = logging.getLogger(__name__)
SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")


class Sliceable(Protocol):
    """What has a length and slices: a sequence, or a tensor by its first dimension."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


class BatchSize:
    """The largest batch size that fits memory, remembered from call to call; keep one per model."""

    def __init__(self, device: Device, size: int | None = None, setting: str = "device.batch_size") -> None:
        """Begin with `size`, None = the device's; `setting` is what a warning calls it."""
        self.size, self._setting = max(1, device.batch_size if size is None else size), setting

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Answer]]) -> list[Answer]:
        """Apply `work` to slices of the items, and return the results in order.

        On out-of-memory the size is halved, with one warning, and the same items are tried again; a batch of one that
        does not fit raises what `work` raises.
        """

        def answered(batch: Sequence[Item]) -> Sequence[Answer]:
            results = work(batch)
            if len(results) != len(batch):
                raise ContractBroken(f"{len(batch)} answers, one per item", f"{len(results)}", "answer every item once")
            return results

        return [answer for part in self.of_slices(items, answered) for answer in part]

    def of_slices(self, items: Slices, work: Callable[[Slices], Answer]) -> list[Answer]:
        """Return what `work` makes of each slice of the items, as small as memory asks for (`run`).

        items: a sequence or a tensor: whatever has a length and slices.
        """
        answers, start = list[Answer](), 0
        while start < len(items):
            batch = items[start : start + self.size]
            try:
                answers.append(work(batch))
            except Exception as error:
                if len(batch) == 1 or not out_of_memory(error):
                    raise
                self.size = max(1, len(batch) // 2)
                log.warning(
                    "out of memory with %d at once; going on with %s = %d", len(batch), self._setting, self.size
                )
                continue
            start += len(batch)
        return answers

    def run_alike(
        self,
        items: Sequence[Item],
        shape: Callable[[Item], Hashable],
        work: Callable[[Sequence[Item]], Sequence[Answer]],
    ) -> list[Answer]:
        """Apply `work` as `run` does, with items of one shape to a batch; the results are in the order of the items."""
        groups: dict[Hashable, list[int]] = {}
        for index, item in enumerate(items):
            groups.setdefault(shape(item), []).append(index)
        results: dict[int, Answer] = {}
        for group in groups.values():
            results.update(zip(group, self.run([items[n] for n in group], work), strict=True))
        return [results[n] for n in range(len(items))]


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out, on any device; matched by name, so torch stays
    unimported.
    """
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)
