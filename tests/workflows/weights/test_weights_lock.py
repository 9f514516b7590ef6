"""One program at a time in the folder of a set of weights: the other waits, is told for whom."""

import errno
import fcntl
import logging
import os
import threading

import pytest

from retclip.plugin.weights import Weights, cached_in, folder_of
from retclip.workflows.weights.weights_lock import alone

MODEL, OTHER = (Weights(name, "a model", "MIT", "https://example.org", 1, ()) for name in ("model", "other"))


def test_the_second_waits_for_the_first_and_is_told_whose_it_is(cache):
    told, order, waiting = [], [], threading.Event()

    def on_wait(progress):
        told.append(progress.message)
        waiting.set()

    def second():
        with cached_in(cache), alone(MODEL, on_wait):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(MODEL):
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert [holder.split(" on ")[0] for holder in told] == [f"model: process {os.getpid()}"]


def test_nobody_waits_for_what_is_free_or_another_set():
    with alone(MODEL, pytest.fail), alone(OTHER, pytest.fail):
        pass
    with alone(MODEL, pytest.fail):
        pass
    assert not folder_of(MODEL).exists(), "the lock lies beside the folder"


def test_an_error_inside_gives_the_lock_back():
    with pytest.raises(ValueError, match="inside"), alone(MODEL):
        raise ValueError("inside")
    with alone(MODEL, pytest.fail):
        pass


def test_a_lock_that_another_user_made_is_waited_for_all_the_same(monkeypatch):
    with alone(MODEL):
        pass
    opened = os.open

    def denied(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "not yours", path)
        return opened(path, flags, *mode)

    monkeypatch.setattr("retclip.workflows.weights.weights_lock.os.open", denied)
    with alone(MODEL, pytest.fail):
        pass
    with pytest.raises(PermissionError), alone(OTHER):
        pass


def test_a_file_system_without_locks_is_told_and_used(monkeypatch, caplog):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with caplog.at_level(logging.WARNING), alone(MODEL, pytest.fail):
        pass
    assert "No locks available" in caplog.text


def test_another_fault_of_the_lock_is_not_passed_over(monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "a broken disk")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="broken disk"), alone(MODEL):
        pass
