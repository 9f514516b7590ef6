"""Leases: who works on a unit just now, so that several builds of one store share the work (stores.md 4.2).

A lease ends with the unit's result, with its run, when the process that took it is seen to be dead, or, where nobody
here can see that because it runs on another machine, after 15 minutes without a sign of life (by the clock of the
database, where it is a server). An image on which the program dies is poison, too, and must not stop every run: the
unit that the dead was working on itself counts one attempt more. What only waited, or was with workers, does not.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, delete, func, insert, select, update

from retclip.store.ids import stored_name
from retclip.store.records import Failure, OpenRun, Taken, UnitStates, Wanted
from retclip.store.sql.catalog import pages
from retclip.store.sql.columns import Moment, now
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import Unit
from retclip.store.states import UnitState
from retclip.store.work.ledger import MAX_ATTEMPTS, finished_units, given_up, poisoned_units

LEASE = timedelta(minutes=15)
DIED = "the process that worked on it died"
NOBODY = {"owner": None, "leased_until": None, "begun": False}  # of a unit that is leased no more


def me() -> str:
    """This process, by machine, number and when it began: numbers come again."""
    return _named(os.getpid())


def left_behind(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the units that a process held when it died."""
    return _left_behind(connection, _rows(connection, keys))


def unit_states(connection: Connection, keys: Sequence[str]) -> UnitStates:
    """What is known of those units in one transaction."""
    finished, poisoned = finished_units(connection, keys), poisoned_units(connection, keys)
    return UnitStates(frozenset(finished), poisoned, frozenset(suspects(connection, keys)))


def suspects(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the units that a process was working on when it died, the last time that anybody tried: each is tried
    alone, so that it takes no other with it."""
    rows = _rows(connection, keys)
    held = _left_behind(connection, rows)
    told = {row.key for row in rows.values() if row.state == UnitState.FAILED and row.error == DIED}
    return told | {key for key in held if rows[key].begun or rows[key].error == DIED}


def take(connection: Connection, run: OpenRun, units: Sequence[Wanted], afresh: bool = False) -> Taken:
    """Lease the units that nobody else works on. Those that are finished meanwhile, or in this run's hands already, are
    in none of the three. afresh: earlier attempts do not count any more."""
    one_writer_at_a_time(connection)
    mine, elsewhere, lost, fresh = set(), set(), list[Failure](), dict[str, dict[str, object]]()
    rows, moment = _rows(connection, [unit.key for unit in units]), _moment(connection)
    for unit in units:
        row = rows.get(unit.key)
        if row is None:
            fresh[unit.key] = {**_described(unit), "attempts": 0, **_lease(run, moment)}
        elif row.state == UnitState.FINISHED or (row.run_id, row.owner) == (run.id, me()):
            continue
        elif row.state == UnitState.LEASED and _alive(row.owner, row.leased_until, moment):
            elsewhere.add(unit.key)
            continue
        else:
            died_of_it = row.state == UnitState.LEASED and row.begun
            attempts = 0 if afresh else row.attempts + died_of_it
            if died_of_it and attempts >= MAX_ATTEMPTS:
                lost.append(_give_up(connection, run, unit, attempts))
                continue
            about = {"attempts": attempts, **({"error": DIED} if died_of_it else {}), **_lease(run, moment)}
            connection.execute(update(Unit).where(Unit.key == unit.key).values(**about))
        mine.add(unit.key)
    if fresh:
        connection.execute(insert(Unit), list(fresh.values()))
    return Taken(frozenset(mine), frozenset(elsewhere), tuple(lost))


def begin(connection: Connection, run: OpenRun, key: str) -> None:
    """From now on this process itself works on that one of the run's leased units, "" = on none."""
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me(), (Unit.key == key) | Unit.begun)
    connection.execute(update(Unit).where(*own).values(begun=Unit.key == key))


def renew(connection: Connection, run: OpenRun) -> None:
    """A sign of life: the run's leases hold for another 15 minutes."""
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me())
    connection.execute(update(Unit).where(*own).values(leased_until=_moment(connection) + LEASE))


def release(connection: Connection, run: OpenRun) -> None:
    """Give back what the run still holds; a unit that failed before stays what it was."""
    own = (Unit.run_id == run.id, Unit.state == UnitState.LEASED, Unit.owner == me())
    connection.execute(delete(Unit).where(*own, Unit.attempts == 0))
    connection.execute(update(Unit).where(*own).values(state=UnitState.FAILED, **NOBODY))


def may_live(owner: str, last_sign: datetime) -> bool:
    """Whether the process `owner` (as `me` names it) may still be at work. Of one on another machine only its last sign
    of life tells something."""
    return _alive(owner, last_sign + LEASE, now())


def _left_behind(connection: Connection, rows: Mapping[str, Any]) -> set[str]:
    moment = _moment(connection)
    return {
        key
        for key, row in rows.items()
        if row.state == UnitState.LEASED and not _alive(row.owner, row.leased_until, moment)
    }


def _give_up(connection: Connection, run: OpenRun, unit: Wanted, attempts: int) -> Failure:
    about = {"state": UnitState.FAILED, "error": DIED, "attempts": attempts, **NOBODY}
    connection.execute(update(Unit).where(Unit.key == unit.key).values(run_id=run.id, at=now(), **about))
    return given_up(unit.external_id, unit.uri, DIED, attempts)


def _lease(run: OpenRun, moment: datetime) -> dict[str, object]:
    held = {"state": UnitState.LEASED, "owner": me(), "leased_until": moment + LEASE, "begun": False}
    return {"run_id": run.id, "at": moment, **held}


def _moment(connection: Connection) -> datetime:
    """Now, by a clock that all who share the database can ask: those of two machines may differ by more than a lease
    lasts."""
    if connection.dialect.name != "postgresql":
        return now()
    moment: datetime = connection.execute(select(func.clock_timestamp(type_=Moment))).scalar_one()
    return moment


def _described(unit: Wanted) -> dict[str, str]:
    return {"key": unit.key, "external_id": stored_name(unit.external_id), "uri": unit.uri}


def _rows(connection: Connection, keys: Sequence[str]) -> dict[str, Any]:
    about = (Unit.state, Unit.attempts, Unit.owner, Unit.leased_until, Unit.run_id, Unit.begun, Unit.error)
    query = select(Unit.key, *about)
    return {row.key: row for page in pages(keys) for row in connection.execute(query.where(Unit.key.in_(page)))}


def _alive(owner: str | None, until: datetime | None, moment: datetime) -> bool:
    """Whether a lease still holds at that moment."""
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
    """Its name, and in which name space of processes we are: two containers may share the first."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{socket.gethostname()[:200]} {space}".strip()


def _began(number: int) -> str | None:
    """When a process began, None where there is none. In ticks since the machine started, where the system says so: the
    hour may be set anew meanwhile."""
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{number}/stat")
        return stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else f"{process.create_time():.0f}"
    except (psutil.Error, OSError):
        return None
