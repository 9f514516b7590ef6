"""Files of others are read whole, within the limits, or refused in three parts."""

import os

import pytest

from retclip import limits
from retclip.documents import parse_json, read_json, read_text
from retclip.errors import DataError


@pytest.fixture
def small():
    before = limits.current()
    limits.use(limits.Limits(document_bytes=10))
    yield
    limits.use(before)


def test_a_document_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_text('["é"]', encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json", "class list") == ["é"]


def test_as_large_as_allowed_and_a_byte_more(tmp_path, small):
    (tmp_path / "a.txt").write_bytes(b"x" * 10)
    assert read_text(tmp_path / "a.txt", "table") == "x" * 10
    (tmp_path / "a.txt").write_bytes(b"x" * 11)
    with pytest.raises(DataError, match=r"at most 10 bytes of table: .*a\.txt; got 11 bytes; .*limits\.document_mib"):
        read_text(tmp_path / "a.txt", "table")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"{", b"", b"\xff", b"9" * 5000, b"nul"])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json(tmp_path / "a.json", "class list")
    assert "a.json" in caught.value.expected and caught.value.got and caught.value.todo


def test_what_is_no_file_is_refused_and_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("absent", "pipe", ".", "nul\0"):
        with pytest.raises(DataError, match="a readable table"):
            read_text(tmp_path / name, "table")


def test_json_that_nests_too_deeply_says_so():
    with pytest.raises(DataError, match="JSON that nests less deeply in sample 3"):
        parse_json("[" * 100_000, "sample 3")


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2, "a": 1}', '[{"x": {"a": 1, "a": 2}}]'])
def test_a_key_that_comes_twice_is_refused(text):
    with pytest.raises(DataError, match="the key 'a' twice in one object"):
        parse_json(text, "a list")
