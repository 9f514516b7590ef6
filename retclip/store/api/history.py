"""The history of an open store: every event, the store as of one, what differs between two."""

from __future__ import annotations

from retclip.store.history import events, moments
from retclip.store.records import HistoryEvent, StoreClass, StoreDifference
from retclip.store.sql.transactions import Transactions


class History:
    """Facts never change, so that these questions may be asked of any moment."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def log(self) -> list[HistoryEvent]:
        """List every event, builds among them, oldest first."""
        return self._catalog.read(events.log)

    def classes_at(self, event: int) -> list[StoreClass]:
        """List the classes as of an event, by name, with the segments that were visible then counted. Reads every fact.

        event: its number; facts and undos of later events do not count.
        Raises DataError for the number of no event.
        """
        return self._catalog.read(moments.classes_at, event)

    def difference(self, first: int, second: int) -> StoreDifference:
        """List the classes and segments that differ between the store as of two events. Raises DataError for the number
        of no event."""
        return self._catalog.read(moments.difference, first, second)
