"""The check of the chain names the first place where it breaks, whatever was done to it; and it knows a noted head."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from retclip.store.sql import chain_check
from retclip.store.sql.chain_links import EVENTS, FACTS, link_hash, read_rows
from retclip.store.sql.engine import transaction
from retclip.store.sql.row_digest import rows_digest
from retclip.store.sql.tables import ClassFact, Event, RejectionFact, SegmentFact


@pytest.fixture
def chained(store, made):
    """Five links: a build of 12 facts, a rename, an alias, a quarantine, a rejection."""
    store.classes.rename("car", "van", "ann")
    store.classes.add_alias("tree", "bush", "bob")
    store.segments.quarantine([made.ids(store, "id = 1")["road", 0]], "ann")
    store.segments.reject([*made.ids(store, "id = 2").values()], "tree", "ann")
    assert store.history.check_chain().whole and store.history.chain_head()[0] == 5
    return store


def broken(store) -> tuple:
    found = store.history.check_chain().broken
    assert found is not None
    return found.fault.value, found.link, found.event


@pytest.mark.parametrize(
    ("change", "table", "expected"),
    [
        ("UPDATE event SET actor = 'eve' WHERE id = 2", "event", ("changed", 2, 2)),
        ("UPDATE event SET reason = 'none' WHERE id = 4", "event", ("changed", 4, 4)),
        ("UPDATE segment_fact SET confidence = 0.5 WHERE id = 3", "segment_fact", ("changed", 1, 1)),
        ("UPDATE segment_fact SET hidden = NULL WHERE id = 13", "segment_fact", ("changed", 4, 4)),
        ("UPDATE class_fact SET name = 'bus' WHERE name = 'van'", "class_fact", ("changed", 2, 2)),
        ("UPDATE segment_fact SET id = 900 WHERE id = 13", "segment_fact", ("missing", 4, 4)),
        ("DELETE FROM segment_fact WHERE id = 5", "segment_fact", ("missing", 1, 1)),
        ("DELETE FROM class_fact WHERE name = 'van'", "class_fact", ("missing", 2, 2)),
        ("UPDATE rejection_fact SET holds = false", "rejection_fact", ("changed", 5, 5)),
        ("DELETE FROM rejection_fact", "rejection_fact", ("missing", 5, 5)),
        ("UPDATE chain_link SET rejection_facts = '' WHERE number = 5", "chain_link", ("changed", 5, 5)),
        ("DELETE FROM chain_link WHERE number = 2", "chain_link", ("missing", 3, 3)),
        ("UPDATE chain_link SET event_id = 1 WHERE number = 3", "chain_link", ("changed", 3, 1)),
        ("UPDATE chain_link SET segment_facts = '13-x' WHERE number = 4", "chain_link", ("changed", 4, 4)),
        ("DELETE FROM chain_link WHERE number = 5", "chain_link", ("inserted", None, 5)),
    ],
)
def test_the_first_broken_link_is_named(chained, made, change: str, table: str, expected: tuple) -> None:
    assert made.change_unguarded(chained, change, table) == 1
    assert broken(chained) == expected


def relink(store, made, number: int, **changed: object) -> None:
    """Change a link and give it a hash that fits, as somebody who knows the form would."""
    ((event, adds, segments, classes, rejections, digest, previous),) = made.ask(
        store,
        "SELECT event_id, adds_event, segment_facts, class_facts, rejection_facts, digest, previous FROM chain_link"
        " WHERE number = :n",
        n=number,
    )
    link = {
        "number": number, "event_id": event, "adds_event": bool(adds), "segment_facts": segments,
        "class_facts": classes, "rejection_facts": rejections, "digest": digest, "previous": previous, **changed,
    }  # fmt: skip
    columns = ", ".join(f"{name} = :{name}" for name in ("digest", "segment_facts", "class_facts"))
    values = {name: link[name] for name in ("digest", "segment_facts", "class_facts")}
    statement = f"UPDATE chain_link SET seal = NULL, hash = :hash, {columns} WHERE number = {number}"
    made.change_unguarded(store, statement, "chain_link", hash=link_hash(link), **values)


def test_a_change_that_was_hidden_in_its_link_breaks_the_link_after_it(chained, made) -> None:
    """Row, digest and hash fit each other; only the next link knows the hash that was there before."""
    made.change_unguarded(chained, "UPDATE event SET actor = 'eve' WHERE id = 2", "event")
    with transaction(chained.engine) as connection:
        rows = [
            *read_rows(connection, EVENTS, [2]).values(),
            *read_rows(connection, FACTS["class_facts"], [4]).values(),
        ]
    relink(chained, made, 2, digest=rows_digest(rows))
    assert broken(chained) == ("changed", 3, 3)


def test_links_in_another_order_are_told_as_such(chained, made) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        statement = f"UPDATE chain_link SET number = {new} WHERE number = {old}"
        made.change_unguarded(chained, statement, "chain_link")
    assert broken(chained) == ("reordered", 2, 3)


def test_a_row_of_two_links_is_told(chained, made) -> None:
    """The last link also covers fact 1, and is made to fit."""
    with transaction(chained.engine) as connection:
        rows = [
            *read_rows(connection, EVENTS, [5]).values(),
            *read_rows(connection, FACTS["segment_facts"], [1]).values(),
            *read_rows(connection, FACTS["rejection_facts"], [1]).values(),
        ]
    relink(chained, made, 5, segment_facts="1", digest=rows_digest(rows))
    found = chained.history.check_chain().broken
    assert found is not None and "another link's, too" in found.reason and found.fault == "inserted"


@pytest.mark.parametrize("kind", ["event", "segment fact", "class fact", "rejection"])
def test_a_row_that_came_by_another_door_is_found(chained, kind: str) -> None:
    with transaction(chained.engine, write=True) as connection:
        if kind == "event":
            connection.execute(insert(Event).values(actor="eve", action="class.rename", target="car"))
        elif kind == "segment fact":
            connection.execute(insert(SegmentFact).values(event_id=2, segment_id=1, hidden=True))
        elif kind == "rejection":
            connection.execute(insert(RejectionFact).values(event_id=2, segment_id=1, category_id=2, holds=True))
        else:
            connection.execute(insert(ClassFact).values(event_id=2, category_id=1, alias="street"))
    fault, link, event = broken(chained)
    assert (fault, link, event) == ("inserted", None, 6 if kind == "event" else 2)


def test_a_cut_off_tail_is_told_by_a_noted_head(chained, made) -> None:
    number, noted = chained.history.chain_head()
    chained.classes.add_alias("road", "street", "ann")
    for written in (noted, noted[:8].upper(), f" {noted[:20]}\n"):
        assert chained.history.check_chain(written).since == 1 and chained.history.check_chain(written).whole
    for table, where in (("chain_link", f"number >= {number}"), ("rejection_fact", "event_id >= 5"),
                         ("class_fact", "event_id >= 5"), ("event", "id >= 5")):  # fmt: skip
        made.change_unguarded(chained, f"DELETE FROM {table} WHERE {where}", table)
    assert chained.history.check_chain().whole  # what is left is a chain
    state = chained.history.check_chain(noted)
    assert state.since == -1 and not state.whole and state.broken is None
    assert chained.history.check_chain("ab%").since == -1 and chained.history.check_chain(noted[:7]).since == -1


@pytest.mark.parametrize("size", [1, 2, 13])
def test_a_chain_is_read_in_pages(chained, made, monkeypatch, size: int) -> None:
    monkeypatch.setattr(chain_check, "PAGE", size)
    assert chained.history.check_chain().whole
    made.change_unguarded(chained, "UPDATE event SET actor = 'eve' WHERE id = 5", "event")
    assert broken(chained) == ("changed", 5, 5)
