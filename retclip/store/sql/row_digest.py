"""The canonical bytes of a row, which the chain of events digests (`chain_links`).

An empty column, NULL or "", is left out: a later migration may add columns without changing what earlier rows digest
to. The form itself never changes, nor does the name of a column that it covers: every store's chain is made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from retclip.store.sql.row_checksum import spelled


def row_bytes(table: str, names: Sequence[str], values: Sequence[Any]) -> bytes:
    """Make the canonical bytes of a row: its table, then name, length and spelling of each column that is not empty.

    names: of the columns, ascending.
    values: a Python object per column, alike for both databases.
    """
    parts = [f"{table}\n".encode()]
    for name, value in zip(names, values, strict=True):
        if value is not None and value != "":
            text = spelled(value)
            parts += (f"{name} {len(text)} ".encode(), text, b"\n")
    return b"".join(parts)


def rows_digest(rows: Iterable[bytes]) -> str:
    """Compute the sha256 of rows in their order, in hexadecimal.

    rows: the canonical bytes of each.
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{len(row)}\n".encode())
        digest.update(row)
    return digest.hexdigest()
