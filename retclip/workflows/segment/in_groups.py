"""Passes images through the models in batches, and one by one where a batch fails, so that the bad one is named."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.types import Image

Answer = TypeVar("Answer")


def in_groups(
    records: Iterable[tuple[SourceImage, Image | DataError]],
    size: int,
    work: Callable[[Sequence[Image]], Sequence[Answer]],
) -> Iterator[tuple[SourceImage, Answer | DataError]]:
    """Yield each record, in order, with the result of `work` for its image, or the reason why there is none."""
    waiting = iter(records)
    while group := list(islice(waiting, size)):
        yield from _answered(group, work)


def _answered(
    group: list[tuple[SourceImage, Image | DataError]], work: Callable[[Sequence[Image]], Sequence[Answer]]
) -> Iterator[tuple[SourceImage, Answer | DataError]]:
    """Yield the results of a group, and hold none that was yielded: with its photo it may take 550 MB."""
    answers = deque(_tried([image for _, image in group if isinstance(image, Image)], work))
    while group:
        record, image = group.pop(0)
        yield record, answers.popleft() if isinstance(image, Image) else image


def _tried(images: Sequence[Image], work: Callable[[Sequence[Image]], Sequence[Answer]]) -> list[Answer | DataError]:
    if not images:
        return []
    try:
        return list(work(images))
    except DataError as error:
        if len(images) == 1:
            return [error]
    return [answer for image in images for answer in _tried([image], work)]
