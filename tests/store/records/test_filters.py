"""Filters: what they accept, how they are compared, and what cannot be."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest

from retclip.errors import ConfigError
from retclip.store.records import SegmentFilter
from retclip.store.states import LabelSource, SegmentStatus

ID = UUID(int=7)


def test_nothing_given_selects_what_is_visible():
    assert SegmentFilter().states == (SegmentStatus.VISIBLE,) and SegmentFilter().ids is None
    assert SegmentFilter().as_dict() == {} and not SegmentFilter().any_state
    assert SegmentFilter(states=()).any_state and SegmentFilter(states=tuple(SegmentStatus)).any_state


def test_a_single_value_is_a_list_of_one_and_repeated_ones_count_once():
    chosen = SegmentFilter(classes="car", runs=3, states="retired", label_sources=["person", "person"], ids=[ID, ID])
    assert chosen.classes == ("car",) and chosen.runs == (3,) and chosen.ids == (ID,)
    assert chosen.states == (SegmentStatus.RETIRED,) and chosen.label_sources == (LabelSource.PERSON,)
    assert chosen.as_dict() == {
        "ids": [str(ID)], "classes": ["car"], "runs": [3], "states": ["retired"], "label_sources": ["person"]
    }  # fmt: skip


def test_moments_are_of_utc():
    there = timezone(timedelta(hours=2))
    chosen = SegmentFilter(since=datetime(2026, 1, 1, 12), until=datetime(2026, 1, 1, 14, tzinfo=there))
    assert chosen.since == chosen.until == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert chosen.spelled() == SegmentFilter(since=chosen.since, until=chosen.until).spelled()


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": ("hidden",)}, {"label_sources": ("somebody",)}, {"min_score": 1.5}, {"max_trust": float("nan")},
        {"min_score": 0.6, "max_score": 0.5}, {"since": datetime(2026, 1, 2), "until": datetime(2026, 1, 1)},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        SegmentFilter(**wrong)


@pytest.mark.parametrize(
    "conditions",
    [{"classes": [3]}, {"images": [None]}, {"runs": ["1"]}, {"ids": ["10b1f272"]}, {"since": "2026-01-01"},
     {"until": date(2026, 1, 1)}, {"min_score": "0.5"}],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_in_words(conditions) -> None:
    with pytest.raises(ConfigError):
        SegmentFilter(**conditions)


def test_none_is_no_condition_and_a_single_value_a_list_of_it() -> None:
    assert SegmentFilter(classes=None, runs=None) == SegmentFilter()
    assert SegmentFilter(ids=UUID(int=1)).ids == (UUID(int=1),) and SegmentFilter(runs=2).runs == (2,)
