"""The history of an open store: every event, the store as of one, what differs between two."""

from __future__ import annotations

from retclip.store.classes import event_log
from retclip.store.findings import ChainState
from retclip.store.history import moments
from retclip.store.records import EventFilter, EventLog, StoreClass, StoreDifference
from retclip.store.sql import chain_check, chain_links
from retclip.store.sql.transactions import Transactions

EVERY = EventFilter()


class History:
    """Facts never change, so that these questions may be asked of any moment."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def log(self, chosen: EventFilter = EVERY) -> EventLog:
        """List events, builds among them, oldest first. Raises DataError for an unknown class or segment."""
        return self._catalog.read(event_log.log, chosen)

    def chain_head(self) -> tuple[int, str]:
        """Read how many links the chain of events has, and the hash of the newest, "" without any."""
        return self._catalog.read(chain_links.newest_link)

    def check_chain(self, noted: str | None = None) -> ChainState:
        """Check the chain of events; reads every event and fact.

        noted: its head as somebody noted it, in full or from 8 digits on; None for none.
        """
        return self._catalog.read(chain_check.check_chain, noted)

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
