"""Decodes the next images while the model works on this one; a bad file becomes a result, not an exception."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.types import Image

AHEAD = 2  # decoded images waiting: enough to hide the disk
WAITING = (
    48_000_000  # pixels of those together, about: 144 MB; photos of 50 megapixels are decoded when it is their turn
)


def decoded(
    records: Iterable[SourceImage], ahead: int = AHEAD, threads: int = 1
) -> Generator[tuple[SourceImage, Image | DataError], None, None]:
    """Yield each record, in order, with its image or the reason why there is none.

    ahead: images that wait decoded at most; fewer where the one that is yielded is large.
    """
    coming, waiting = iter(records), deque[tuple[SourceImage, Future[Image | DataError]]]()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:

        def submit(count: int) -> None:
            waiting.extend((record, pool.submit(_attempt, record.load)) for record in islice(coming, max(0, count)))

        try:
            submit(1)
            while waiting:
                record, future = waiting.popleft()
                submit(min(ahead, _fitting(future.result())) - len(waiting))
                yield record, future.result()
                del future  # and with it the image, which is large
                submit(1 - len(waiting))
        finally:
            for _, future in waiting:
                future.cancel()


def _fitting(answer: Image | DataError) -> int:
    """Return how many images of that size may wait."""
    return WAITING // (answer.size[0] * answer.size[1]) if isinstance(answer, Image) else AHEAD


def _attempt(load: Callable[[], Image]) -> Image | DataError:
    try:
        return load()
    except DataError as error:
        return error
    except (OSError, ValueError, MemoryError) as error:  # a source of a stranger's that did not wrap its reader
        return DataError("a readable image", f"{type(error).__name__}: {error}", "repair or remove the file")
