"""What a file gave is recalled while its stamp is the same, by every process, and computed where anything is wrong."""

import os
import sqlite3

import pytest

from retclip.data import file_bytes, file_memory
from retclip.data.file_bytes import Part, ReadOnce
from retclip.data.file_memory import NAME, FileMemory, remembered, remembering
from retclip.file_stamp import stamp_of


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(file_bytes, "SETTLED", -1.0)  # files of a test are young
    (tmp_path / "a").write_bytes(b"12345")
    return tmp_path / "a"


def computed(file, what="length"):
    """Whether it was computed, and the answer."""
    calls, once = [], ReadOnce(file)

    def compute():
        calls.append(what)
        return [len(once.content), once.content.decode()]

    answer = remembered(once, what, compute)
    return bool(calls), answer


def test_what_a_file_gave_is_recalled_until_the_file_changes(file, tmp_path):
    with remembering(tmp_path / "memory"):
        assert computed(file) == (True, [5, "12345"])
        assert computed(file) == (False, [5, "12345"])
        assert computed(file, "another") == (True, [5, "12345"])
        status = file.stat()
        file.write_bytes(b"54321")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a copy with its times would be
        assert computed(file) == (True, [5, "54321"])
    with remembering(tmp_path / "memory"):  # as another process
        assert computed(file) == (False, [5, "54321"])
    assert computed(file)[0], "outside the block nothing is recalled"


def test_a_young_file_is_not_remembered(file, tmp_path, monkeypatch):
    monkeypatch.setattr(file_bytes, "SETTLED", 3600.0)
    with remembering(tmp_path / "memory"):
        assert computed(file)[0] and computed(file)[0]


def test_a_file_that_changes_while_it_is_read_is_not_remembered_as_it_is_now(file, tmp_path):
    with remembering(tmp_path / "memory"):
        once = ReadOnce(file)
        content = once.content
        file.write_bytes(b"54321")
        assert remembered(once, "content", content.decode) == "12345"
        assert remembered(ReadOnce(file), "content", lambda: "computed") == "computed"


def test_errors_and_nothing_are_not_remembered(file, tmp_path):
    def failing():
        raise ValueError("no number")

    with remembering(tmp_path / "memory"):
        once = ReadOnce(file)
        assert once.content and remembered(once, "nothing", lambda: None) is None
        assert remembered(once, "nothing", lambda: 1) == 1
        with pytest.raises(ValueError, match="no number"):
            remembered(once, "a number", failing)


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_memory_is_begun_anew(file, tmp_path, content):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / NAME).write_bytes(content)
    with remembering(tmp_path / "memory"):
        assert computed(file) == (True, [5, "12345"])
        assert computed(file) == (False, [5, "12345"])


@pytest.fixture
def damaged(file, tmp_path):
    """The folder of a memory whose first pages are whole: it opens."""
    folder = tmp_path / "memory"
    memory = FileMemory(folder)
    for number in range(300):
        memory.remember(tmp_path / str(number), "length", stamp_of(file), "x" * 100)
    memory.close()
    content = (folder / NAME).read_bytes()
    assert len(content) > 5 * 4096
    (folder / NAME).write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    return folder


def test_damage_behind_the_first_pages_is_begun_anew_when_it_is_met(file, damaged):
    with remembering(damaged):
        assert computed(file) == (True, [5, "12345"])
        assert computed(file) == (False, [5, "12345"])
    with remembering(damaged):
        assert computed(file) == (False, [5, "12345"])
    with sqlite3.connect(damaged / NAME) as catalog:
        assert catalog.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_who_meets_the_damage_later_takes_what_another_has_begun_anew(file, damaged):
    with remembering(damaged):
        with remembering(damaged):  # as another process
            assert computed(file, "theirs")[0]
        assert computed(file, "ours")[0]
        assert not computed(file, "theirs")[0]
    with remembering(damaged):
        assert not computed(file, "ours")[0] and not computed(file, "theirs")[0]


def test_a_memory_that_is_too_large_is_emptied_for_all_who_have_it_open(file, tmp_path, monkeypatch):
    with remembering(tmp_path / "memory"):
        assert computed(file, "ours")[0]
        with monkeypatch.context() as patch:
            patch.setattr(file_memory, "LARGEST", 0)
            with remembering(tmp_path / "memory"):  # as another process
                assert computed(file, "theirs")[0]
        assert not computed(file, "theirs")[0]
        assert computed(file, "ours")[0]
    with remembering(tmp_path / "memory"):
        assert not computed(file, "ours")[0] and not computed(file, "theirs")[0]


def test_without_a_place_or_with_a_memory_that_fails_everything_is_computed(file, tmp_path):
    for folder in (None, file / "below a file"):
        with remembering(folder):
            assert computed(file)[0] and computed(file)[0]
    with remembering(tmp_path / "memory"):
        assert computed(file)[0]
        with sqlite3.connect(tmp_path / "memory" / NAME) as catalog:
            catalog.execute("UPDATE computed SET value = 'no json'")
        assert computed(file) == (True, [5, "12345"])
        with sqlite3.connect(tmp_path / "memory" / NAME) as catalog:
            catalog.execute("DROP TABLE computed")
        assert computed(file) == (True, [5, "12345"])


def test_a_part_is_recalled_by_its_place_until_the_file_that_holds_it_changes(file, tmp_path):
    def digest(name, start):
        once = ReadOnce(f"{file}#{name}", lambda: file.read_bytes()[start : start + 2], Part(file, f"bytes {start}"))
        return remembered(once, "text", lambda: once.content.decode())

    def nothing():
        raise AssertionError("it is read again")

    with remembering(tmp_path / "memory"):
        assert (digest("a", 0), digest("a", 2)) == ("12", "34"), "one name, two places"
        known = ReadOnce(f"{file}#a", nothing, Part(file, "bytes 2"))
        assert remembered(known, "text", nothing) == "34"
        file.write_bytes(b"543210")
        assert digest("a", 2) == "32"
        anywhere = ReadOnce(f"{file}#a", lambda: b"x")
        assert remembered(anywhere, "text", anywhere.content.decode) == "x"
        assert remembered(anywhere, "text", lambda: "again") == "again", "nobody knows on which files it depends"
