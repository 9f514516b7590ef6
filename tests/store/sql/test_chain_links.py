"""Every transaction that adds events or facts appends its links, in the order of commits, and nothing else does."""

from __future__ import annotations

import ast
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from retclip.store.history import events
from retclip.store.sql import chain_links
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import transaction
from retclip.store.states import Action

STORE = Path(chain_links.__file__).parents[1]
LINKS = "SELECT number, event_id, adds_event, segment_facts, class_facts FROM chain_link ORDER BY number"


def links(made, store) -> list[tuple]:
    return [(*row[:2], bool(row[2]), *row[3:]) for row in made.ask(store, LINKS)]


def test_ranges_worked_by_hand() -> None:
    for numbers, spelled in (([], ""), ([5], "5"), ([1, 2, 3, 7, 9, 10], "1-3,7,9-10")):
        assert chain_links.ranges_text(numbers) == spelled and chain_links.numbers_of(spelled) == numbers
    with pytest.raises(ValueError, match="x"):
        chain_links.numbers_of("1-x")


def test_a_build_links_each_of_its_commits_and_an_edit_is_one_link(light_work, made) -> None:
    store = light_work.open()
    assert store.history.chain_head() == (0, "")
    light_work.fill(store, range(3))  # two commits: of two images and of one
    assert links(made, store) == [(1, 1, True, "1-12", "1-3"), (2, 1, False, "13-18", "")]
    store.classes.rename("car", "van", "ann")
    store.undo(2, "ann")
    assert links(made, store)[2:] == [(3, 2, True, "", "4"), (4, 3, True, "", "")]
    assert store.history.check_chain().whole and store.history.chain_head()[0] == 4


def test_the_first_link_s_hash_worked_by_hand(light_work, made) -> None:
    store = light_work.open()
    with transaction(store.engine, write=True) as connection:
        events.add(connection, "ann", Action.RENAME, "car", reason="a try")
    ((at,),) = made.ask(store, "SELECT at FROM event")
    at = str(at).split("+", maxsplit=1)[0].replace(" ", "T") + "+00:00"
    if "." not in at:
        at = at.replace("+00:00", ".000000+00:00")
    event = (
        "event\naction 12 class.rename\nactor 3 ann\n" + f"at {len(at)} {at}\nid 1 1\nreason 5 a try\ntarget 3 car\n"
    )
    digest = hashlib.sha256(f"{len(event)}\n{event}".encode()).hexdigest()
    link = f"chain_link\nadds_event 4 True\ndigest 64 {digest}\nevent_id 1 1\nnumber 1 1\n"
    assert store.history.chain_head() == (1, hashlib.sha256(link.encode()).hexdigest())


def test_what_is_rolled_back_leaves_no_link(light_work, made) -> None:
    store = light_work.open()
    with pytest.raises(ZeroDivisionError), transaction(store.engine, write=True) as connection:
        events.add(connection, "ann", Action.RENAME, "car")
        raise ZeroDivisionError
    assert links(made, store) == []
    store.classes.all()
    light_work.fill(store, [1])
    assert store.history.check_chain().whole


def test_writers_at_the_same_time_make_one_chain(light_work, made) -> None:
    """Four threads, each with a store of its own, store images and name classes at once."""
    first = light_work.open()
    light_work.fill(first, [0])

    def busy(thread: int) -> None:
        store = light_work.open()
        for number in range(3):
            made.commit(store, made.unit(10 * thread + number))
            store.classes.add_alias("car", f"car {thread} {number}", "ann")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(busy, range(1, 5)))
    state = first.history.check_chain()
    assert state.whole and state.links == 1 + 4 * 3 * 2, str(state.broken)


def test_rows_of_the_chain_are_inserted_where_their_numbers_are_noted() -> None:
    """Whoever inserts an event or a fact notes it for its transaction's links; `doctor` finds one that does not."""
    inserting = {}
    for path in sorted(STORE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "insert":
                names = {getattr(argument, "id", "") for argument in node.args}
                if names & {"Event", "SegmentFact", "ClassFact", "RejectionFact", "ChainLink", "table"}:
                    inserting.setdefault(path.relative_to(STORE).as_posix(), 0)
                    inserting[path.relative_to(STORE).as_posix()] += 1
    assert inserting == {"history/events.py": 1, "sql/chain_links.py": 2}


def test_every_table_of_facts_is_in_the_chain(light_work) -> None:
    """A new table whose rows belong to events is the chain's, or somebody writes down here why it is not."""
    later = {"run", "class_match"}  # their event is filled in, or changed, once the work has ended
    of_events = {name for name, table in Base.metadata.tables.items() if "event_id" in table.c}
    chained = {table.name for table in chain_links.FACTS.values()}
    assert of_events - later - {"chain_link"} == chained
    columns = set(Base.metadata.tables["chain_link"].c.keys())
    assert {name for name in columns if name.endswith("_facts")} == {*chain_links.FACTS}
    store = light_work.open()
    refusing = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%!_no!_update' ESCAPE '!'"
    if store.engine.dialect.name == "postgresql":
        refusing = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%!_no!_update' ESCAPE '!'"
    with transaction(store.engine) as connection:
        append_only = set(connection.execute(text(refusing)).scalars())
    assert append_only & of_events == {*chained, "chain_link"}
