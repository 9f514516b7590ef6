"""Leases: one process at a time works on a unit, the dead keep none, and what kills is tried alone and then no more."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import psutil
import pytest
from sqlalchemy import select, update

from retclip.store.records import Failure, Wanted
from retclip.store.sql.columns import now
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Unit
from retclip.store.work import leases, ledger
from retclip.store.work.leases import DIED
from retclip.store.work.ledger import MAX_ATTEMPTS

A, B = Wanted("a", "1.jpg", "/photos/1.jpg"), Wanted("b", "2.jpg", "/photos/2.jpg")


@pytest.fixture
def connection(light_work):
    with transaction(light_work.open().engine, write=True) as opened:
        yield opened


@pytest.fixture
def run(connection, made):
    return ledger.start_run(connection, made.plan())


@pytest.fixture
def another_process():
    """The name of a living process that is not ours, as it gives it itself."""
    script = "from retclip.store.work import leases; print(leases.me(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.kill()


def rows(connection):
    columns = (Unit.key, Unit.state, Unit.attempts, Unit.owner)
    assert connection.execute(select(Unit.key).where(Unit.begun, Unit.state != "leased")).all() == []
    return [tuple(row) for row in connection.execute(select(*columns).order_by(Unit.key))]


def held_by(connection, owner, until=None):
    connection.execute(update(Unit).values(owner=owner, leased_until=until or now() + timedelta(minutes=5)))


def test_what_nobody_has_is_ours(connection, run):
    taken = leases.take(connection, run, [A, B])
    assert (taken.mine, taken.elsewhere, taken.given_up) == ({"a", "b"}, frozenset(), ())
    assert rows(connection) == [("a", "leased", 0, leases.me()), ("b", "leased", 0, leases.me())]
    assert leases.left_behind(connection, ["a", "b"]) == set()


def test_what_a_living_process_has_is_left_to_it(connection, run, another_process):
    leases.take(connection, run, [A])
    held_by(connection, another_process)
    taken = leases.take(connection, run, [A, B])
    assert (taken.mine, taken.elsewhere) == ({"b"}, {"a"})
    leases.release(connection, run)
    assert rows(connection) == [("a", "leased", 0, another_process)], "what is another's is not given back"


@pytest.mark.parametrize("owner", ["elsewhere/1/0.0", "{host}/{pid}/1.0", "{host}/4194999/1.0"])
def test_the_dead_and_the_silent_have_nothing(connection, run, owner):
    owner = owner.format(host=leases._machine(), pid=os.getpid())
    leases.take(connection, run, [A])
    held_by(connection, owner, now() - timedelta(seconds=1) if owner.startswith("elsewhere") else None)
    assert leases.left_behind(connection, ["a", "b"]) == {"a"}
    assert leases.take(connection, run, [A]).mine == {"a"}
    assert rows(connection) == [("a", "leased", 0, leases.me())]


def killed(connection):
    """The process that holds the leases dies."""
    held_by(connection, f"{leases._machine()}/4194999/1.0")


def test_only_what_the_dead_was_working_on_is_suspect_and_counts_an_attempt(connection, run):
    leases.take(connection, run, [A, B])
    for _ in range(2 * MAX_ATTEMPTS):  # leased, waiting: whoever dies, they are innocent
        killed(connection)
        assert leases.suspects(connection, ["a", "b"]) == set()
        assert leases.take(connection, run, [A, B]).mine == {"a", "b"}
    leases.begin(connection, run, "a")
    leases.begin(connection, run, "b", "a")
    killed(connection)
    assert leases.suspects(connection, ["a", "b"]) == {"b"}
    assert leases.take(connection, run, [A, B]).mine == {"a", "b"}
    assert rows(connection) == [("a", "leased", 0, leases.me()), ("b", "leased", 1, leases.me())]
    leases.begin(connection, run, "b")
    leases.begin(connection, run, "", "b")  # it has come to its end, and is being stored
    killed(connection)
    assert leases.take(connection, run, [A, B]).mine == {"a", "b"}
    assert rows(connection) == [("a", "leased", 0, leases.me()), ("b", "leased", 1, leases.me())]


def test_a_suspect_stays_one_until_it_comes_to_an_end(connection, run):
    leases.take(connection, run, [A])
    leases.begin(connection, run, "a")
    killed(connection)
    leases.take(connection, run, [A])
    killed(connection)
    assert leases.suspects(connection, ["a"]) == {"a"}, "nobody tried it since"
    leases.take(connection, run, [A])
    leases.release(connection, run)
    assert leases.suspects(connection, ["a"]) == {"a"}, "Ctrl-C before it was tried"
    ledger.record_failure(connection, run.id, "a", Failure("1.jpg", "/photos/1.jpg", "truncated"))
    assert leases.suspects(connection, ["a"]) == set()


def test_another_process_cannot_say_what_we_work_on(connection, run, another_process):
    leases.take(connection, run, [A])
    held_by(connection, another_process)
    leases.begin(connection, run, "a")
    killed(connection)
    assert leases.suspects(connection, ["a"]) == set()


def test_a_clock_that_goes_wrong_on_this_machine_ends_no_lease_of_a_shared_database(connection, run, monkeypatch):
    leases.take(connection, run, [A])
    held_by(connection, "elsewhere/1/0.0")
    tomorrow = now() + timedelta(days=1)
    monkeypatch.setattr(leases, "now", lambda: tomorrow)
    shared = connection.dialect.name == "postgresql"
    assert (leases.take(connection, run, [A]).elsewhere == {"a"}) is shared
    if shared:
        leases.take(connection, run, [B])
        found = dict(connection.execute(select(Unit.key, Unit.leased_until)).all())
        assert found["b"] < tomorrow, "nor does it begin one that never ends"


def test_a_living_process_here_holds_its_lease_however_long_it_is_silent(connection, run, another_process):
    leases.take(connection, run, [A])
    held_by(connection, another_process, now() - timedelta(hours=1))
    assert leases.left_behind(connection, ["a"]) == set()
    assert leases.take(connection, run, [A]).elsewhere == {"a"}


def test_a_clock_that_is_set_changes_no_name(monkeypatch):
    before = leases._began(os.getpid())
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 12345.0)
    assert leases._began(os.getpid()) == before


def test_the_copy_of_a_photo_is_in_this_run_s_hands_already(connection, run, made):
    assert leases.take(connection, run, [A, A]).mine == {"a"}
    assert leases.take(connection, run, [A, B]).mine == {"b"}
    other = ledger.start_run(connection, made.plan())
    assert leases.take(connection, other, [A]).elsewhere == {"a"}


def test_another_machine_is_believed_until_its_time_is_over(connection, run):
    leases.take(connection, run, [A])
    held_by(connection, "elsewhere/1/0.0")
    assert leases.left_behind(connection, ["a"]) == set()
    assert leases.take(connection, run, [A]).elsewhere == {"a"}


def test_what_kills_again_and_again_is_given_up_and_named(connection, run):
    for _ in range(MAX_ATTEMPTS):
        assert leases.take(connection, run, [A]).mine == {"a"}
        leases.begin(connection, run, "a")
        killed(connection)
    taken = leases.take(connection, run, [A, B])
    reason = f"not tried again after {MAX_ATTEMPTS} attempts, unless you say --retry-failed: {DIED}"
    assert (taken.mine, taken.given_up) == ({"b"}, (Failure("1.jpg", "/photos/1.jpg", reason, MAX_ATTEMPTS),))
    assert ledger.poisoned_units(connection, ["a"]) == {"a": taken.given_up[0]}
    assert leases.take(connection, run, [A], afresh=True).mine == {"a"}
    assert ("a", "leased", 0, leases.me()) in rows(connection), "the earlier attempts are forgotten"


def test_a_run_that_ends_holds_nothing_and_failures_stay_failures(connection, run):
    ledger.record_failure(connection, run.id, "a", Failure("1.jpg", "/photos/1.jpg", "truncated"))
    leases.take(connection, run, [A, B])
    leases.release(connection, run)
    assert rows(connection) == [("a", "failed", 1, None)]
    leases.take(connection, run, [A])
    ledger.record_failure(connection, run.id, "a", Failure("1.jpg", "/photos/1.jpg", "truncated"))
    assert rows(connection) == [("a", "failed", 2, None)], "a lease is no attempt of its own"


def test_what_is_finished_meanwhile_is_in_nobody_s_hands(light_work, made):
    store = light_work.open()
    run = made.commit(store, made.unit(1))
    finished = Wanted(made.unit(1).key, "1.jpg", "")
    assert store.runs.lease(run, [finished, B]).mine == {"b"}


def test_a_sign_of_life_moves_the_end_of_our_own_leases_only(connection, run, another_process):
    leases.take(connection, run, [A, B])
    soon = now() + timedelta(minutes=1)
    connection.execute(update(Unit).values(leased_until=soon))
    connection.execute(update(Unit).where(Unit.key == "b").values(owner=another_process))
    leases.renew(connection, run)
    found = dict(connection.execute(select(Unit.key, Unit.leased_until)).all())
    assert found["a"] > soon + timedelta(minutes=10) and abs(found["b"] - soon) < timedelta(seconds=1)


def test_a_finished_unit_is_leased_no_more(light_work, made):
    store, unit = light_work.open(), made.unit(1)
    run = store.runs.start(made.plan())
    store.runs.lease(run, [Wanted(unit.key, unit.external_id, unit.uri)])
    store.runs.commit(run, [replace(unit)], {})
    store.runs.finish(run, "finished", {})
    with transaction(store.engine) as connection:
        assert rows(connection) == [(unit.key, "finished", 1, None)]
