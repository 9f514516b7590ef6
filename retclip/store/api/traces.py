"""The traces of an open store: the evidence of answers, kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from retclip.store.records import KeptTrace
from retclip.store.segments import traces
from retclip.store.sql.transactions import Transactions


class Traces:
    """Traces are kept where somebody asked for it, and forgotten when they expire: at the next one, and by doctor."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def keep(self, photo: tuple[str, str], evidence: bytes, voters: Sequence[UUID], days: float) -> int:
        """Keep the evidence of an answer; returns its number.

        photo: sha256 and address.
        evidence: the bytes of its evidence file.
        voters: the segments that voted.
        days: until it may be forgotten, above 0.
        """
        return self._catalog.write(traces.keep, photo, evidence, voters, days)

    def count(self) -> int:
        """Count those that have not expired."""
        return self._catalog.read(traces.count)

    def numbers(self) -> list[int]:
        """List those that have not expired, oldest first."""
        return self._catalog.read(traces.numbers)

    def with_voters(self, ids: Sequence[UUID] = (), runs: Sequence[int] = ()) -> list[int]:
        """List the traces in which any of these segments voted, or any that these runs stored, oldest first."""
        return self._catalog.read(traces.with_voters, ids, runs)

    def read(self, number: int) -> KeptTrace | None:
        """Read a trace; None where it was forgotten meanwhile."""
        return self._catalog.read(traces.read, number)

    def voted(self, ids: Sequence[UUID]) -> set[UUID]:
        """List those of the segments that voted in any trace that is kept."""
        return self._catalog.read(traces.voted, ids)

    def voting_classes(self) -> set[int]:
        """List the classes, by row, of which any segment voted in a trace that is kept."""
        return self._catalog.read(traces.voting_classes)

    def prune(self) -> int:
        """Forget those that have expired; returns how many."""
        return self._catalog.write(traces.prune)
