"""Work in batches, halved on out-of-memory; for the core and for plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from retclip.errors import ContractBroken
from retclip.types import Device

Item = TypeVar("Item")
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)
SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")


class BatchSize:
    """The largest batch size that fits memory, remembered from call to call; keep one per model."""

    def __init__(self, device: Device) -> None:
        self.size = max(1, device.batch_size)

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Answer]]) -> list[Answer]:
        """Apply `work` to slices of the items, and return the results in order.

        On out-of-memory the size is halved, with one warning, and the same items are tried again; a batch of one that
        does not fit raises what `work` raises.
        """
        answers: list[Answer] = []
        while len(answers) < len(items):
            batch = items[len(answers) : len(answers) + self.size]
            try:
                results = work(batch)
            except Exception as error:
                if len(batch) == 1 or not out_of_memory(error):
                    raise
                self.size = max(1, len(batch) // 2)
                log.warning(
                    "out of memory with %d at once; going on with device.batch_size = %d", len(batch), self.size
                )
                continue
            if len(results) != len(batch):  # none would be asked for without end
                raise ContractBroken(f"{len(batch)} answers, one per item", f"{len(results)}", "answer every item once")
            answers += results
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
