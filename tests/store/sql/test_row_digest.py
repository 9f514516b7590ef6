"""The canonical bytes of rows: worked by hand, and independent of columns that are added empty."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from retclip.store.sql.row_digest import row_bytes, rows_digest


def test_a_row_worked_by_hand() -> None:
    values = (7, True, None, "", "ann", 0.5, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    names = ("id", "hidden", "mask_no", "reason", "actor", "score", "at")
    assert row_bytes("event", names, values) == (
        b"event\nid 1 7\nhidden 4 True\nactor 3 ann\nscore 3 0.5\nat 32 2026-01-02T03:04:05.000006+00:00\n"
    )


def test_an_empty_column_more_changes_nothing_and_a_zero_is_not_empty() -> None:
    assert row_bytes("t", ("a", "b"), (1, None)) == row_bytes("t", ("a",), (1,)) == row_bytes("t", ("a", "b"), (1, ""))
    assert row_bytes("t", ("a",), (0,)) != row_bytes("t", ("a",), (None,))
    assert row_bytes("t", ("a",), (False,)) != row_bytes("t", ("a",), (None,))


def test_what_stands_in_a_value_cannot_pass_for_another_column() -> None:
    assert row_bytes("t", ("a", "b"), ("x\nb 1 y", None)) != row_bytes("t", ("a", "b"), ("x", "y"))


def test_the_digest_of_rows_worked_by_hand() -> None:
    assert rows_digest([b"ab", b"c"]) == hashlib.sha256(b"2\nab1\nc").hexdigest()
    assert rows_digest([b"a", b"bc"]) != rows_digest([b"ab", b"c"]) != rows_digest([b"c", b"ab"])
