"""Ctrl-C and SIGTERM as a question that a loop asks between two steps, so that no step is left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Use as a context manager. asked: whether a signal has come; the second one stops at once, as ever. Outside the
    main thread, where Python hears no signals, it is never asked."""

    def __init__(self) -> None:
        self.asked = False
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._earlier = {one: signal.signal(one, self._note) for one in SIGNALS}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, earlier in self._earlier.items():
            signal.signal(number, earlier)
