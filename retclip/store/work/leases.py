"""Leases: which process works on a unit, so that several builds of one store share the work (stores.md 4.2).

A lease ends with the unit's result, with its run, and with the death of the process that took it. The death of a
process on another machine cannot be seen: its lease ends 15 minutes after the last heartbeat, by the clock of the
database if it is a server. An image on which the program dies is poison, too, and must not stop every run: the unit
that a dead process was working on itself counts one attempt more. Units that only waited, or were with workers, do not.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from retclip.store.ids import stored_name
from retclip.store.records import Failure, OpenRun, Taken, UnitStates, Wanted
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.columns import Moment, now
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import Unit
from retclip.store.states import UnitState
from retclip.store.work.ledger import MAX_ATTEMPTS, UNLEASED, finished_units, given_up, poisoned_units

LEASE = timedelta(minutes=15)
DIED = "the process that worked on it died"


def me() -> str:
    """Name this process by machine, number and start: numbers come again."""
    return _named(os.getpid())


def left_behind(connection: Connection, keys: Sequence[str]) -> set[str]:
    """List those of the units that a process held when it died."""
    return _left_behind(connection, _rows(connection, keys))


def unit_states(connection: Connection, keys: Sequence[str]) -> UnitStates:
    """Read the state of units in one transaction."""
    finished, poisoned = finished_units(connection, keys), poisoned_units(connection, keys)
    return UnitStates(frozenset(finished), poisoned, frozenset(suspects(connection, keys)))


def suspects(connection: Connection, keys: Sequence[str]) -> set[str]:
    """List those of the units that the last process to try them died on. Each is tried alone, so that it takes no other
    with it."""
    rows = _rows(connection, keys)
    held = _left_behind(connection, rows)
    failed = {row.key for row in rows.values() if row.state == UnitState.FAILED and row.error == DIED}
    return failed | {key for key in held if rows[key].begun or rows[key].error == DIED}


def take(connection: Connection, run: OpenRun, units: Sequence[Wanted], afresh: bool = False) -> Taken:
    """Lease the units that no other process works on. Units that were finished meanwhile, and those that this run has
    leased already, are in none of the three groups.

    afresh: earlier attempts do not count any more.
    """
    one_writer_at_a_time(connection)
    leased, held, lost_units, new = set(), set(), list[Failure](), dict[str, dict[str, object]]()
    rows, moment = _rows(connection, [unit.key for unit in units]), _shared_now(connection)
    for unit in units:
        row = rows.get(unit.key)
        if row is None:
            new[unit.key] = {**_described(unit), "attempts": 0, **_lease(run, moment)}
        elif row.state == UnitState.FINISHED or (row.run_id, row.owner) == (run.id, me()):
            continue
        elif row.state == UnitState.LEASED and _alive(row.owner, row.leased_until, moment):
            held.add(unit.key)
            continue
        else:
            died_of_it = row.state == UnitState.LEASED and row.begun
            attempts = 0 if afresh else row.attempts + died_of_it
            if died_of_it and attempts >= MAX_ATTEMPTS:
                lost_units.append(_give_up(connection, run, unit, attempts))
                continue
            about = {"attempts": attempts, **({"error": DIED} if died_of_it else {}), **_lease(run, moment)}
            connection.execute(update(Unit).where(Unit.key == unit.key).values(**about))
        leased.add(unit.key)
    if new:
        connection.execute(insert(Unit), list(new.values()))
    return Taken(frozenset(leased), frozenset(held), tuple(lost_units))


def begin(connection: Connection, run: OpenRun, key: str, ended: str = "") -> None:
    """Note that this process itself works on a unit that the run has leased, "" for none, and no longer on another.

    ended: the other one. Both are found by their keys: a run may have a hundred thousand units.
    """
    both = Unit.key.in_([key, ended])
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me(), both)
    connection.execute(update(Unit).where(*own).values(begun=Unit.key == key))


def renew(connection: Connection, run: OpenRun) -> None:
    """Send a heartbeat: the run's leases hold for another 15 minutes."""
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me())
    connection.execute(update(Unit).where(*own).values(leased_until=_shared_now(connection) + LEASE))


def release(connection: Connection, run: OpenRun) -> None:
    """Return the run's leases; a unit that failed before stays failed."""
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me())
    connection.execute(delete(Unit).where(*own, Unit.attempts == 0))
    connection.execute(update(Unit).where(*own).values(state=UnitState.FAILED, **UNLEASED))


def may_live(owner: str, heartbeat: datetime) -> bool:
    """Tell whether a process may still be at work; of one on another machine only the heartbeat tells.

    owner: the process, named by `me`.
    heartbeat: its last one.
    """
    return _alive(owner, heartbeat + LEASE, now())


def _left_behind(connection: Connection, rows: Mapping[str, Any]) -> set[str]:
    moment = _shared_now(connection)
    return {
        key
        for key, row in rows.items()
        if row.state == UnitState.LEASED and not _alive(row.owner, row.leased_until, moment)
    }


def _give_up(connection: Connection, run: OpenRun, unit: Wanted, attempts: int) -> Failure:
    about = {"state": UnitState.FAILED, "error": DIED, "attempts": attempts, **UNLEASED}
    connection.execute(update(Unit).where(Unit.key == unit.key).values(run_id=run.id, at=now(), **about))
    return given_up(unit.external_id, unit.uri, DIED, attempts)


def _lease(run: OpenRun, moment: datetime) -> dict[str, object]:
    held = {"state": UnitState.LEASED, "owner": me(), "leased_until": moment + LEASE, "begun": False}
    return {"run_id": run.id, "at": moment, **held}


def _shared_now(connection: Connection) -> datetime:
    """Read the clock that all processes of the database share: those of two machines may differ by more than a
    lease."""
    if connection.dialect.name != "postgresql":
        return now()
    moment: datetime = connection.execute(select(func.clock_timestamp(type_=Moment))).scalar_one()
    return moment


def _described(unit: Wanted) -> dict[str, str]:
    return {"key": unit.key, "external_id": stored_name(unit.external_id), "uri": unit.uri}


def _rows(connection: Connection, keys: Sequence[str]) -> dict[str, Any]:
    about = (Unit.state, Unit.attempts, Unit.owner, Unit.leased_until, Unit.run_id, Unit.begun, Unit.error)
    query = select(Unit.key, *about)
    return {row.key: row for row in rows_in(connection, query, Unit.key, keys)}


def _alive(owner: str | None, until: datetime | None, moment: datetime) -> bool:
    """Tell whether a lease still holds at a moment."""
    if owner is None or until is None:
        return False
    machine, number, began = owner.rsplit("/", 2)
    if machine != _machine():
        return until > moment
    return _began(int(number)) == began


@cache
def _named(number: int) -> str:
    return f"{_machine()}/{number}/{_began(number)}"


@cache
def _machine() -> str:
    """Name this machine and our name space of processes: two containers may share a machine's name."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{socket.gethostname()[:200]} {space}".strip()


def _began(number: int) -> str | None:
    """Read when a process began; None if there is none. In ticks since the machine started if the system has them: the
    clock may be set meanwhile."""
    import psutil  # asked of a lease alone, and imported by every command that knows of leases

    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{number}/stat")
        return stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else f"{process.create_time():.0f}"
    except (psutil.Error, OSError):
        return None
