"""Whose fault it is when a plugin raises: the photo's, the plugin's, or nobody's."""

import logging

import pytest

from retclip.errors import ConfigError, ContractBroken, DataError, PluginFailed
from retclip.plugin.calls import at_work, on_photos, reason_of


class PanicException(BaseException):
    """As the bridge to Rust raises it: no `Exception`."""


@pytest.mark.parametrize(
    "error",
    [ValueError("cannot reshape\n  tensor"), KeyError("x"), RuntimeError(), PanicException("index out of bounds")],
)
def test_what_is_raised_on_a_photo_is_that_photo_s_failure(error):
    with pytest.raises(DataError) as caught, on_photos("their.masks", ["photos/p1.png"]):
        raise error
    assert caught.value.expected == "their.masks to work on photos/p1.png"
    assert caught.value.got == reason_of(error) and caught.value.got.startswith(type(error).__name__)
    assert "\n" not in caught.value.got and caught.value.__cause__ is error
    with pytest.raises(DataError, match="2 photos"), on_photos("their.masks", ["a", "b"]):
        raise error


@pytest.mark.parametrize("error", [ValueError("no such word"), PanicException("unwrap on None"), MemoryError()])
def test_what_is_raised_elsewhere_is_the_plugin_s(error):
    with pytest.raises(PluginFailed) as caught, at_work("their.masks", "read 3 names"):
        raise error
    assert caught.value.exit_code == 4 and "their.masks to read 3 names" in str(caught.value)


@pytest.mark.parametrize("guard", [on_photos, at_work])
def test_what_is_meant_passes_and_an_exit_is_no_answer(guard):
    subject = ["a"] if guard is on_photos else "work"
    for error in (KeyboardInterrupt(), ConfigError("names", "none", "add some"), DataError("a", "b", "c")):
        with pytest.raises(type(error)) as caught, guard("their.masks", subject):
            raise error
        assert caught.value is error
    with pytest.raises(ContractBroken, match=r"their\.masks.*SystemExit: 3"), guard("their.masks", subject):
        raise SystemExit(3)
    with guard("their.masks", subject):
        pass


def test_memory_that_ran_out_has_a_cure_of_its_own_and_a_traceback_is_kept_for_those_who_ask(caplog):
    caplog.set_level(logging.INFO, "retclip")
    with pytest.raises(DataError, match="make it smaller"), on_photos("their.masks", ["a"]):
        raise RuntimeError("CUDA out of memory")
    assert "their.masks raised on a" in caplog.text and "Traceback" in caplog.text


def test_a_long_reason_is_cut():
    assert len(reason_of(ValueError("x" * 10_000))) == 300


def test_an_error_that_raises_when_it_is_asked_what_it_says_is_told_by_its_kind():
    class Odd(Exception):
        def __str__(self):
            raise KeyError("no text")

    assert reason_of(Odd()) == "Odd"
    with pytest.raises(DataError) as caught, on_photos("their.masks", ["a"]):
        raise Odd
    assert caught.value.got == "Odd"


def test_memory_that_ran_out_elsewhere_is_no_fault_of_the_author_s():
    with pytest.raises(PluginFailed, match="a smaller batch"), at_work("their.head", "compute losses"):
        raise RuntimeError("CUDA out of memory")
