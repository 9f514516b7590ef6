"""Constraints that several tables have, and that every table is had from one place."""

from __future__ import annotations

from sqlalchemy import CheckConstraint

from retclip.store.sql import tables
from retclip.store.sql.columns import Base
from retclip.store.sql.tables.conditions import of_mask, one_of
from retclip.store.states import GapReason


def test_a_column_holds_one_of_the_words() -> None:
    assert one_of("reason", GapReason) == "reason IN ('mask', 'photo')"
    checks = [each for each in tables.FeatureGap.__table__.constraints if isinstance(each, CheckConstraint)]
    assert [str(each.sqltext) for each in checks] == [one_of("reason", GapReason)]


def test_what_belongs_to_a_mask_goes_with_it() -> None:
    key = of_mask("feature_gap")
    assert (key.name, key.ondelete, list(key.column_keys)) == (
        "fk_feature_gap_mask",
        "CASCADE",
        ["segment_id", "mask_no"],
    )
    assert {each.target_fullname for each in key.elements} == {"mask.segment_id", "mask.number"}


def test_every_table_is_had_from_the_package() -> None:
    models = {mapper.class_ for mapper in Base.registry.mappers}
    assert models == {each for each in vars(tables).values() if isinstance(each, type)} and len(models) == 27
