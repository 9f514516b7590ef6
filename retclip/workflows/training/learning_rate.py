"""The learning rate of each step as a pure function, which has no state to save."""

from __future__ import annotations

import math
from bisect import bisect_right

from retclip.config_sections import FinetuneSection

POWER = 0.9  # of the poly schedule, as segmentation networks use it


def learning_rate(section: FinetuneSection, step: int) -> float:
    """Return the learning rate of a step.

    It is `section.learning_rate` after a linear warm-up from 1/warmup, then follows `section.schedule`: times `decay`
    from each milestone on, or decreasing to 0 at `section.steps`.

    section: the settings `finetune.*`.
    step: from 0.
    """
    warm = min(1.0, (step + 1) / section.warmup) if section.warmup else 1.0
    return section.learning_rate * warm * _share(section, step)


def _share(section: FinetuneSection, step: int) -> float:
    done = min(1.0, step / section.steps)
    if section.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if section.schedule == "poly":
        return float((1.0 - done) ** POWER)
    return float(section.decay ** bisect_right(section.milestones, step))
