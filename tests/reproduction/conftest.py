"""A table of two rows on two drawn scenes: what a whole reproduction does, in seconds."""

from dataclasses import replace

import pytest

from retclip.reproduction import published


@pytest.fixture
def two_rows(monkeypatch):
    """The first and the third row of table 1: FC-CLIP, and RetCLIP with an in-domain store."""
    table = published.TABLE_1
    rows = (table.rows[0], table.rows[2])
    monkeypatch.setattr(published, "TABLES", {"table-1": replace(table, rows=rows)})
    return [row.name for row in rows]
