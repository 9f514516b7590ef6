"""Constraints that several tables have."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint

from retclip.store.states import Word


def one_of(column: str, words: type[Word]) -> str:
    """Make the condition of a CHECK that a column holds one of those words."""
    return f"{column} IN ({', '.join(map(repr, map(str, words)))})"


def of_mask(table: str) -> ForeignKeyConstraint:
    """Make the foreign key of a row that belongs to a mask."""
    return ForeignKeyConstraint(
        ["segment_id", "mask_no"], ["mask.segment_id", "mask.number"], name=f"fk_{table}_mask", ondelete="CASCADE"
    )
