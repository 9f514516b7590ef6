"""A reader that leaves, a stream that was closed, a full disk: what becomes of output, and of the exit code."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retclip.cli import output, streams
from retclip.errors import DataError

RETCLIP = f"{sys.executable} -m retclip.cli"


@pytest.fixture
def pipe():
    """(descriptor to read from, descriptor to write to); closed at the end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def outlet(descriptor, forgiving=False):
    return io.TextIOWrapper(io.BufferedWriter(streams.Outlet(descriptor, forgiving)), "utf-8")


def test_what_a_reader_that_left_would_have_read_is_dropped(pipe):
    reading, writing = pipe
    stream = outlet(writing)
    print("first", file=stream, flush=True)
    assert os.read(reading, 100) == b"first\n"
    os.close(reading)
    print("second", file=stream, flush=True)
    print("third" * 100_000, file=stream, flush=True)
    assert os.fstat(writing).st_rdev == Path(os.devnull).stat().st_rdev


def test_a_full_disk_is_an_error_for_data_and_none_for_messages():
    for forgiving in (False, True):
        full = os.open("/dev/full", os.O_WRONLY)
        stream = outlet(full, forgiving)
        if forgiving:
            print("message", file=stream, flush=True)
        else:
            with pytest.raises(OSError, match="No space left"):
                print("data", file=stream, flush=True)
            streams.discard(full)
        stream.close()
        os.close(full)


def test_the_last_output_that_cannot_be_written_is_told(monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(streams, "discard", lambda _: None)
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(DataError, match=r"standard output .*No space left"):
        streams.flush()


def test_streams_that_somebody_put_in_their_place_stay(monkeypatch):
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    streams.guard()
    assert sys.stdout is mine
    output.message("said")


TALKING = """
import ctypes, os, sys
from retclip.cli import output, streams
from retclip.cli.streams import talk_on_stderr

streams.guard()
streams.reserve_stdout()
with talk_on_stderr():
    print("from Python")
    print("from Python, past what is in place", file=sys.__stdout__, flush=True)
    libc = ctypes.CDLL(None)
    libc.puts(b"from C, kept back until the program ends")
    os.write(1, b"from native code\\n")
    os.system("echo from a process that was started")
    output.data({"a": 1})
print("the program's own")
streams.flush()
"""


def test_standard_output_is_kept_for_data_whoever_prints(tmp_path):
    ran = subprocess.run([sys.executable, "-c", TALKING], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == '{\n  "a": 1\n}\nthe program\'s own\n'
    assert sorted(ran.stderr.splitlines()) == [
        "from C, kept back until the program ends", "from Python", "from Python, past what is in place",
        "from a process that was started", "from native code",
    ]  # fmt: skip


def test_output_that_somebody_took_stays_theirs(monkeypatch):
    mine, talk = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    monkeypatch.setattr(sys, "stderr", talk)
    streams.reserve_stdout()
    with pytest.raises(KeyError), streams.talk_on_stderr():
        print("talk")
        output.data([1])
        raise KeyError
    print("after")
    assert mine.getvalue() == "[\n  1\n]\nafter\n" and talk.getvalue() == "talk\n"


def shell(command, folder):
    ran = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr, ran.stderr
    return ran.stdout.split()


def test_the_exit_code_is_the_work_s_whoever_stops_reading(tmp_path):
    told = shell(f"{RETCLIP} -h | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    told += shell(f"{RETCLIP} class list --store gone 2>&1 | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert told == ["0", "5"]


def test_closed_streams_stop_nothing_and_lend_their_numbers_to_no_file(tmp_path):
    assert shell(f"{RETCLIP} init s <&- >&- 2>&-; echo $?", tmp_path) == ["0"]
    assert (tmp_path / "s" / "catalog.sqlite").read_bytes()[:6] == b"SQLite"
    assert shell(f"echo 'out of photos' | {RETCLIP} class add cat - --store s 2>&- >&-; echo $?", tmp_path) == ["3"]
