"""The line around a plugin's code: whose fault it is when that raises.

- On a photo, whatever is raised is that photo's failure, a DataError: the photo is named, counted and left out, the
  others go on. A panic of native code is no `Exception`, and is caught all the same.
- Elsewhere (while it is loaded, reads names, lists a data set) it concerns everything: PluginFailed.
- An attempt to end the program is no answer: ContractBroken. So is every answer of another form (`checks.py`).
- What a plugin raises out of `retclip.errors` it means: it is passed on. So are Ctrl-C and its like.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from retclip.errors import ContractBroken, DataError, PluginFailed, RetCLIPError
from retclip.plugin.batches import out_of_memory

LONGEST = 300  # characters of what was raised
log = logging.getLogger(__name__)


@contextmanager
def on_photos(component: str, photos: Sequence[str]) -> Iterator[None]:
    """Guard a call that processes these photos.

    photos: their addresses.
    Raises DataError for what the call raises, ContractBroken where it tries to end the program.
    """

    def failed(error: BaseException) -> DataError:
        log.info("%s raised on %s", component, ", ".join(photos), exc_info=error)
        which = photos[0] if len(photos) == 1 else f"{len(photos)} photos"
        todo = f"leave it out, or report it to the author of {component} (retclip -v shows where it was raised)"
        if out_of_memory(error):
            todo = "make it smaller, or choose a device with more memory"
        return DataError(f"{component} to work on {which}", reason_of(error), todo)

    with _guarded(component, failed):
        yield


@contextmanager
def at_work(component: str, task: str) -> Iterator[None]:
    """Guard a call that processes no photo.

    task: what it should do, "list its classes".
    Raises PluginFailed for what the call raises, ContractBroken where it tries to end the program.
    """

    def failed(error: BaseException) -> PluginFailed:
        log.info("%s raised", component, exc_info=error)
        todo = f"report it to its author: retclip plugins check {component} (retclip -v shows where it was raised)"
        if out_of_memory(error):
            todo = "ask less of it at once (a smaller batch, fewer names), or choose a device with more memory"
        return PluginFailed(f"{component} to {task}", reason_of(error), todo)

    with _guarded(component, failed):
        yield


@contextmanager
def _guarded(component: str, failed: Callable[[BaseException], RetCLIPError]) -> Iterator[None]:
    """Guard a call.

    failed: makes the error for what the call raises.
    """
    try:
        yield
    except (RetCLIPError, KeyboardInterrupt, GeneratorExit):
        raise
    except SystemExit as stop:
        raise _ended(component, stop) from stop
    except BaseException as error:
        raise failed(error) from error


def reason_of(error: BaseException) -> str:
    """Return the error's kind and message on one line, its kind alone where the message is empty or cannot be read."""
    try:
        text = str(error)
    except Exception:
        text = ""
    message = " ".join(text.split())
    return f"{type(error).__name__}: {message}"[:LONGEST] if message else type(error).__name__


def _ended(component: str, stop: SystemExit) -> ContractBroken:
    todo = f"report it to the plugin's author: retclip plugins check {component}"
    return ContractBroken(f"an answer from {component}", f"SystemExit: {stop.code}", todo)
