"""What an import of a class file has stored: one event, which an undo takes back, however many runs it took.

A run of it notes in its settings which file it stores, so that one whose process died is found again: the next import
of the same file speaks under the same event. An import that has ended notes that, too: a later one has its own event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from retclip.store.history.events import CONTINUES, IMPORT, lock_unless_undone
from retclip.store.sql.tables import Run
from retclip.store.states import RunKind

KIND = RunKind.CLASS_IMPORT
ENDED = "ended"  # in a run's settings


def note(connection: Connection, sha256: str) -> Mapping[str, Any]:
    """What a run of the import says of itself before it begins: the event that it goes on with, None for its own.

    sha256: of the class file.
    """
    left = [
        event
        for event, config in connection.execute(select(Run.event_id, Run.config).where(Run.kind == KIND))
        if event is not None and config[IMPORT]["sha256"] == sha256 and not config.get(ENDED)
    ]
    return {
        CONTINUES: next((event for event in sorted(left, reverse=True) if lock_unless_undone(connection, event)), None)
    }


def finish(connection: Connection, sha256: str, runs: Sequence[int]) -> int | None:
    """The import of a file has ended; the number of its event, None where it stored nothing. runs: those of it."""
    rows = connection.execute(select(Run.id, Run.event_id, Run.config).where(Run.kind == KIND)).all()
    for number, _, config in rows:
        if config[IMPORT]["sha256"] == sha256 and not config.get(ENDED):
            connection.execute(update(Run).where(Run.id == number).values(config={**config, ENDED: True}))
    return max((event for number, event, _ in rows if number in runs and event is not None), default=None)
