"""What a person passes by mistake from Python is refused in words, before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from retclip.errors import ConfigError, DataError, RetCLIPError
from retclip.store.records import EventFilter, SegmentFilter

MISTAKES: dict[str, Callable[[Any, str], object]] = {
    "no segment": lambda memory, _: memory.quarantine(None),
    "a number as a segment": lambda memory, _: memory.retire(5),
    "a number among segments": lambda memory, number: memory.release([number, 5]),
    "bytes as segments": lambda memory, number: memory.quarantine(number.encode()),
    "a number as a class": lambda memory, number: memory.relabel(number, 5),
    "a number as a class of each": lambda memory, number: memory.relabel({number: 5}),
    "no class": lambda memory, number: memory.relabel(number),
    "a number as a rejected class": lambda memory, number: memory.reject(number, 5),
    "a list as the reason": lambda memory, number: memory.quarantine(number, why=["blurred"]),
    "a text as the limit": lambda memory, _: memory.search(limit="5"),
    "a yes as the limit": lambda memory, _: memory.search(limit=True),
    "a text as the limit of an audit": lambda memory, _: memory.audit.conflicts(limit="5"),
    "a mapping as the filter": lambda memory, _: memory.search(filter={"classes": "sky"}),
    "an empty mapping as the filter": lambda memory, _: memory.audit.outliers(filter={}),
    "a list as the filter of the log": lambda memory, _: memory.log([]),
    "another filter for the log": lambda memory, _: memory.log(SegmentFilter()),
    "a number as words": lambda memory, _: memory.search(text=5),
    "a number as the space": lambda memory, _: memory.search(space=5),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_three_parts_and_changes_nothing(memory, mistake: str) -> None:
    number = str(memory.search(limit=1)[0].id)
    links = memory.log().links
    with pytest.raises(RetCLIPError) as refused:
        MISTAKES[mistake](memory, number)
    assert isinstance(refused.value, ConfigError | DataError)
    assert all((refused.value.expected, refused.value.got, refused.value.todo))
    assert memory.log().links == links


@pytest.mark.parametrize("everything", [SegmentFilter(), SegmentFilter(states=()), SegmentFilter(classes=[])])
@pytest.mark.parametrize("change", ["quarantine", "release", "retire", "relabel", "reject"])
def test_a_filter_without_a_condition_changes_no_whole_store(memory, change: str, everything: SegmentFilter) -> None:
    more = ("sky",) if change in ("relabel", "reject") else ()
    links = memory.log().links
    with pytest.raises(ConfigError, match="every segment of the store"):
        getattr(memory, change)(everything, *more)
    assert memory.log().links == links


def test_a_condition_on_the_state_alone_is_one(memory) -> None:
    with pytest.raises(DataError, match="none"):  # nothing is quarantined
        memory.release(SegmentFilter(states=["quarantined"]))


def test_the_filter_of_the_log_reads_its_values_as_the_other_one_does() -> None:
    chosen = EventFilter(actions="segment.relabel", classes="sky", since=datetime(2026, 11, 29))
    assert (chosen.actions, chosen.classes, chosen.since) == (
        ("segment.relabel",), ("sky",), datetime(2026, 11, 29, tzinfo=UTC),
    )  # fmt: skip
    for wrong in ({"classes": [5]}, {"since": "yesterday"}, {"run": "1"}, {"segment": "1234abcd"}, {"limit": "5"}):
        with pytest.raises(ConfigError):
            EventFilter(**wrong)
