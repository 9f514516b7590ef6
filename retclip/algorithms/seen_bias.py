"""The bias towards seen classes: how often an annotated segment of one group of classes is called a class of the other.

    unseen as seen = unseen segments that are called a seen class / unseen segments
    seen as unseen = seen segments that are called an unseen class / seen segments

A segment is called the class that most of its pixels have; with no class at all it is called neither. Where the first
is much larger than the second, the classes that the fine-tuning saw draw the others to themselves. Mistakes within a
group count in none of the two: a truck called car where both were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("unseen_as_seen", "unseen", "seen_as_unseen", "seen")


def group_counts(called: Iterable[tuple[int, int, int]], seen: Sequence[bool]) -> NDArray[np.float64]:
    """Return (4,) float64, the segments of COLUMNS.

    called: (annotated class, class that it is called, segments); c = none.
    seen: (c,) whether the fine-tuning saw a class.

    Worked example: of three unseen segments two are called a seen class, one is called none; of two seen segments one
    is called an unseen class: 2, 3, 1, 2, which are 67 % and 50 %.
    """
    counts = np.zeros(len(COLUMNS))
    for annotated, name, segments in called:
        group = 2 if seen[annotated] else 0
        counts[group + 1] += segments
        if name < len(seen) and bool(seen[name]) is not bool(seen[annotated]):
            counts[group] += segments
    return counts


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (b, 2) the shares in [0, 1] of unseen as seen and of seen as unseen, nan where a group has no segment.

    counts: (b, 4) of COLUMNS.
    """
    answer = np.full((len(counts), 2), np.nan)
    np.divide(counts[:, ::2], counts[:, 1::2], out=answer, where=counts[:, 1::2] > 0)
    return answer
