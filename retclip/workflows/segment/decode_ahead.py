"""Decodes the next images while the model works on this one; a bad file becomes a result, not an exception."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.types import Image

AHEAD = 2  # decoded images waiting: enough to hide the disk, few enough for 50-megapixel photos in 2 GB


def decoded(
    records: Iterable[SourceImage], ahead: int = AHEAD, threads: int = 1
) -> Generator[tuple[SourceImage, Image | DataError], None, None]:
    """Yield each record, in order, with its image or the reason why there is none."""
    waiting: deque[tuple[SourceImage, Future[Image | DataError]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for record in records:
                waiting.append((record, pool.submit(_attempt, record.load)))
                if len(waiting) > ahead:
                    earlier, future = waiting.popleft()
                    yield earlier, future.result()
            while waiting:
                earlier, future = waiting.popleft()
                yield earlier, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _attempt(load: Callable[[], Image]) -> Image | DataError:
    try:
        return load()
    except DataError as error:
        return error
    except (OSError, ValueError, MemoryError) as error:  # a source of a stranger's that did not wrap its reader
        return DataError("a readable image", f"{type(error).__name__}: {error}", "repair or remove the file")
