"""The ledger: runs, finished and failed units of work, and the rows that a run refers to.

A finished unit of work is not done again. A failed one is tried again by the next run, up to MAX_ATTEMPTS, and from
then on only listed (a poison image must not cost every run its time).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.orm import DeclarativeBase

from retclip.store.ids import stored_name
from retclip.store.records import Failure, OpenRun, RunPlan
from retclip.store.sql.catalog import pages, rows_in
from retclip.store.sql.columns import now
from retclip.store.sql.engine import insert_or_change, insert_or_keep
from retclip.store.sql.tables import Dataset, Proposer, Run, Space, StoreVersion, Unit
from retclip.store.states import IndexState, RunState, UnitState
from retclip.types import FeatureSpace

MAX_ATTEMPTS = 5
UNLEASED = {"owner": None, "leased_until": None, "begun": False}  # columns of a unit without a lease


def start_run(connection: Connection, plan: RunPlan) -> OpenRun:
    """Insert a run and the rows that it refers to."""
    dataset_id = row_id(connection, Dataset, {"name": plan.dataset}, {"uri": plan.source})
    proposer_id = row_id(connection, Proposer, {"name": plan.proposer}, {})
    space_id = ensure_space(connection, plan.space)
    values = {"kind": plan.kind, "source": plan.source, "config": dict(plan.config), "program": plan.program}
    made_by = {"proposer_version": plan.proposer_version, "proposer_settings": dict(plan.proposer_settings)}
    made_by["components"] = dict(plan.components)
    keys = {"dataset_id": dataset_id, "proposer_id": proposer_id, "space_id": space_id}
    run_id = connection.execute(insert(Run).values(**values, **made_by, **keys).returning(Run.id)).scalar_one()
    return OpenRun(run_id, dataset_id, proposer_id, space_id, plan.proposer, plan.recipe, plan.kind)


def planned_run(connection: Connection, plan: RunPlan) -> OpenRun:
    """Make a run without writing anything, to count the work to do. Rows that do not exist yet have the id 0, to which
    nothing refers."""
    lookups: tuple[tuple[type[DeclarativeBase], str, str], ...] = (
        (Dataset, "name", plan.dataset), (Proposer, "name", plan.proposer), (Space, "fingerprint", plan.space.id)
    )  # fmt: skip
    ids: list[int] = []
    for table, column, value in lookups:
        columns = table.__table__.c
        ids.append(connection.execute(select(columns.id).where(columns[column] == value)).scalar() or 0)
    dataset_id, proposer_id, space_id = ids
    return OpenRun(0, dataset_id, proposer_id, space_id, plan.proposer, plan.recipe, plan.kind)


def has_units(connection: Connection) -> bool:
    """Tell whether any unit is finished."""
    return connection.execute(select(Unit.key).where(Unit.state == UnitState.FINISHED).limit(1)).scalar() is not None


def finish_run(connection: Connection, run_id: int, state: RunState, counts: Mapping[str, Any]) -> None:
    """Close a run as finished, interrupted or failed."""
    connection.execute(update(Run).where(Run.id == run_id).values(state=state, counts=dict(counts), finished_at=now()))


def finished_units(connection: Connection, keys: Sequence[str]) -> set[str]:
    """List those of the units that are finished."""
    query = select(Unit.key).where(Unit.state == UnitState.FINISHED)
    return {row.key for row in rows_in(connection, query, Unit.key, keys)}


def poisoned_units(connection: Connection, keys: Sequence[str]) -> dict[str, Failure]:
    """List those of the units that failed too often to be tried again."""
    columns = (Unit.key, Unit.external_id, Unit.uri, Unit.error, Unit.attempts)
    query = select(*columns).where(Unit.state == UnitState.FAILED, Unit.attempts >= MAX_ATTEMPTS)
    rows = rows_in(connection, query, Unit.key, keys)
    return {row.key: given_up(row.external_id, row.uri, row.error, row.attempts) for row in rows}


def given_up(external_id: str, uri: str, error: str | None, attempts: int) -> Failure:
    """Make the record of a poison image."""
    reason = f"not tried again after {attempts} attempts, unless you say --retry-failed: {error}"
    return Failure(external_id, uri, reason, attempts)


def forget_units(connection: Connection, class_keys: Set[str]) -> None:
    """Delete the units that looked for one of these name keys: they are not finished any more."""
    rows = connection.execute(select(Unit.key, Unit.classes))
    for page in pages([key for key, classes in rows if not class_keys.isdisjoint(classes)]):
        connection.execute(delete(Unit).where(Unit.key.in_(page)))


def record_failure(connection: Connection, run_id: int, key: str, failure: Failure) -> None:
    """Count one more failed attempt at a unit."""
    values = {"run_id": run_id, "state": UnitState.FAILED, "error": failure.reason, "at": now()}
    values |= UNLEASED
    described = {"key": key, "external_id": stored_name(failure.external_id), "uri": failure.uri}
    again = {**values, "attempts": Unit.attempts + 1}  # counted by SQL: another build may meet the same photo now
    connection.execute(insert_or_change(connection, Unit, {**described, **values}, again))


def ensure_space(connection: Connection, space: FeatureSpace) -> int:
    """Find or insert the row of a feature space, with a first active store version."""
    described = {"backbone": space.backbone, "weights": space.weights, "dim": space.dim}
    described |= {"preprocessing": space.preprocessing, "pooling": space.pooling}
    space_id = row_id(connection, Space, {"fingerprint": space.id}, described)
    if active_version(connection, space_id) is None:
        number = connection.execute(
            select(func.coalesce(func.max(StoreVersion.number), 0) + 1).where(StoreVersion.space_id == space_id)
        ).scalar_one()
        name = f"seg__{space.id[:8]}__v{number:04d}__{secrets.token_hex(4)}"
        row = {"space_id": space_id, "number": number, "index_name": name, "state": IndexState.ACTIVE}
        connection.execute(insert(StoreVersion).values(**row))
    return space_id


def spaces(connection: Connection) -> list[tuple[int, FeatureSpace]]:
    """List every feature space of the store with its row, the oldest first."""
    columns = (Space.id, Space.backbone, Space.weights, Space.preprocessing, Space.pooling, Space.dim)
    return [(row[0], FeatureSpace(*row[1:])) for row in connection.execute(select(*columns).order_by(Space.id))]


def active_version(connection: Connection, space_id: int) -> tuple[int, str] | None:
    """Find the active store version of a space: (row, name of its index); None if there is none."""
    query = select(StoreVersion.id, StoreVersion.index_name)
    row = connection.execute(
        query.where(StoreVersion.space_id == space_id, StoreVersion.state == IndexState.ACTIVE)
    ).one_or_none()
    return (row[0], row[1]) if row else None


def home_of(connection: Connection, version_id: int) -> str | None:
    """Read which engine followed a version last; None if none did."""
    return connection.execute(select(StoreVersion.home).where(StoreVersion.id == version_id)).scalar_one()


def set_home(connection: Connection, version_id: int, home: str | None) -> None:
    """Write which engine follows a version from now on."""
    connection.execute(update(StoreVersion).where(StoreVersion.id == version_id).values(home=home))


def live_versions(connection: Connection, space_id: int | None = None) -> list[int]:
    """List the store versions that a change must reach: building, active and retiring ones.

    space_id: of one space; None for all: a segment is retired or relabelled in each.
    """
    query = select(StoreVersion.id).where(StoreVersion.state != IndexState.DROPPED)
    return list(
        connection.execute(query if space_id is None else query.where(StoreVersion.space_id == space_id)).scalars()
    )


def row_id(
    connection: Connection, table: type[DeclarativeBase], key: Mapping[str, Any], values: Mapping[str, Any]
) -> int:
    """Find the row with a unique key, or insert it with `values`."""
    columns = table.__table__.c
    query = select(columns.id).where(*(columns[name] == value for name, value in key.items()))
    existing = connection.execute(query).scalar()
    if existing is None:
        connection.execute(insert_or_keep(connection, table).values(**key, **values))
        existing = connection.execute(query).scalar_one()
    return int(existing)
