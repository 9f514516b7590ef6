"""The groups of classes that have figures apart: those that the fine-tuning saw, and those that it did not."""

from __future__ import annotations

from collections.abc import Sequence

GROUPS = {"seen": True, "unseen": False}


def class_groups(seen: Sequence[bool] | None) -> dict[str, list[int]]:
    """Return the indices of the classes of each group, none where nobody says who was seen.

    seen: (c,) whether the fine-tuning saw a class; None = unknown.

    Worked example: of (True, False, True) the seen are 0 and 2, the unseen 1.
    """
    if seen is None:
        return {}
    return {group: [index for index, value in enumerate(seen) if bool(value) is flag] for group, flag in GROUPS.items()}
