"""Signals as a question: heard once, the second stops at once, and the earlier handlers come back."""

import os
import signal
import threading

import pytest

from retclip.workflows.stop_signal import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_interrupts(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), StopSignal() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_another_thread_hears_nothing_and_breaks_nothing():
    told = []

    def work():
        with StopSignal() as stop:
            told.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [False]
