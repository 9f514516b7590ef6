"""The log keeps who changed what; that it refuses changes is proven in test_schema.py."""

from __future__ import annotations

from retclip.store.classes import events
from retclip.store.sql.engine import transaction


def test_events_come_back_newest_first(light_work) -> None:
    store = light_work.open()
    with transaction(store.engine, write=True) as connection:
        numbers = [
            events.record(connection, "ann", "label.set", f"segment {n}", {"class": "car"}, {"class": "van", "n": n})
            for n in range(25)
        ]
    assert numbers == sorted(set(numbers))
    with transaction(store.engine) as connection:
        found = events.latest(connection)
        assert [one["id"] for one in events.latest(connection, 2)] == numbers[:-3:-1]
        assert len(events.latest(connection, 100)) == 25
    assert [one["id"] for one in found] == numbers[:4:-1], "twenty, unless asked for more"
    newest = found[0]
    assert (newest["actor"], newest["action"], newest["target"]) == ("ann", "label.set", "segment 24")
    assert (newest["before"], newest["after"]) == ({"class": "car"}, {"class": "van", "n": 24})
    assert newest["at"].utcoffset().total_seconds() == 0


def test_an_event_belongs_to_the_change_it_tells_of(light_work) -> None:
    store = light_work.open()
    try:
        with transaction(store.engine, write=True) as connection:
            events.record(connection, "ann", "class.add", "car", {}, {})
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with transaction(store.engine) as connection:
        assert events.latest(connection) == []


def test_a_long_target_is_cut_the_same_everywhere(light_work) -> None:
    with transaction(light_work.open().engine, write=True) as connection:
        events.record(connection, "ann", "class.add", "x" * 1000, {}, {})
        assert [len(one["target"]) for one in events.latest(connection)] == [200]


def test_nothing_yet(light_work) -> None:
    with transaction(light_work.open().engine) as connection:
        assert events.latest(connection) == []
