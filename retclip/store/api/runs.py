"""The runs of an open store, and their units of work: leased, finished or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from retclip.store.api.spaces import Spaces
from retclip.store.archive.shards import Archive
from retclip.store.index.indexes import Indexes
from retclip.store.records import Committed, Failure, OpenRun, RunPlan, Taken, UnitResult, UnitStates, Wanted
from retclip.store.segments.ingest import commit_units
from retclip.store.segments.slots import images_with_slots, photos_cut_twice
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.transactions import Transactions
from retclip.store.states import RunState
from retclip.store.work import leases, ledger


class Runs:
    """A run is started, takes units of work, commits or fails each, and is finished (stores.md 2.3, 4.2)."""

    def __init__(self, transactions: Transactions, archive: Archive, indexes: Indexes, spaces: Spaces) -> None:
        self._catalog, self._archive, self._indexes, self._spaces = transactions, archive, indexes, spaces

    def planned(self, plan: RunPlan) -> tuple[OpenRun, bool]:
        """Make a run without writing anything; returns it, and whether any unit is finished."""
        return self._catalog.read(lambda c: (ledger.planned_run(c, plan), ledger.has_units(c)))

    def start(self, plan: RunPlan, new_space: bool = False) -> OpenRun:
        """Open the index for writing and record that a run begins.

        new_space: a store that holds other spaces gets that one, too.
        Raises SpaceMismatch, StoreBusy, and with `new_space` StoreMissing for an empty store.
        """

        def begin(connection: Connection) -> int:
            one_writer_at_a_time(connection)  # two first builds with different backbones must not both find it empty
            spaces = ledger.spaces(connection)
            if new_space and not spaces:
                raise self._spaces.empty()
            if not new_space and spaces and plan.space.id not in {space.id for _, space in spaces}:
                raise self._spaces.mismatch(spaces, plan.space)
            return ledger.ensure_space(connection, plan.space)

        self._indexes.prepare(self._catalog.write(begin), plan.space)
        return self._catalog.write(ledger.start_run, plan)

    def unit_states(self, keys: Sequence[str]) -> UnitStates:
        """Read the states of units of work in the ledger."""
        return self._catalog.read(leases.unit_states, keys)

    def images_with_slots(self, run: OpenRun, external_ids: Sequence[str], prompts: Sequence[str]) -> set[str]:
        """List those of the images that hold a segment of that run's proposer for one of the prompts."""
        return self._catalog.read(images_with_slots, run, external_ids, prompts)

    def photos_cut_twice(self, run: int) -> dict[str, int]:
        """Count the run's photos in which masks of another proposer stand beside its own, by that one's name."""
        return self._catalog.read(photos_cut_twice, run)

    def lease(self, run: OpenRun, units: Sequence[Wanted], afresh: bool = False) -> Taken:
        """Lease units that no other process works on, until they are committed or the run ends.

        afresh: earlier attempts do not count any more.
        """
        return self._catalog.write(leases.take, run, units, afresh)

    def renew_leases(self, run: OpenRun) -> None:
        """Send a heartbeat, due every few minutes."""
        self._catalog.write(leases.renew, run)

    def begin_unit(self, run: OpenRun, key: str, ended: str = "") -> None:
        """Note that this process itself works on a unit that the run has leased, "" for none, and no longer on another.

        ended: the other one.
        """
        self._catalog.note(leases.begin, run, key, ended)

    def record_failure(self, run: OpenRun, key: str, failure: Failure) -> None:
        """Count one more failed attempt at a unit."""
        self._catalog.write(ledger.record_failure, run.id, key, failure)

    def commit(
        self,
        run: OpenRun,
        results: Sequence[UnitResult],
        is_thing: Mapping[str, bool | None],
        synonyms: Mapping[str, Sequence[str]] = {},
    ) -> Committed:
        """Store finished units and let the indexes follow.

        is_thing: by class name whether it is a thing; None if the source does not say.
        synonyms: by class name its further names, which become aliases where no class has them.
        Raises StoreBusy, StoreError.
        """
        stored = commit_units(self._catalog.engine, self._archive, run, results, is_thing, synonyms)
        self._indexes.refresh()
        return stored

    def finish(self, run: OpenRun, state: RunState, counts: Mapping[str, Any]) -> None:
        """Close a run, and return its leases. A finished one gets its graph.

        state: finished, interrupted or failed.
        counts: plain data for JSON.
        """

        def close(connection: Connection) -> None:
            leases.release(connection, run)
            ledger.finish_run(connection, run.id, RunState(state), counts)

        self._catalog.write(close)
        if state == RunState.FINISHED:
            self._indexes.keep_up()
