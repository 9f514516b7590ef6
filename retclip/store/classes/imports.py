"""What an import of a class file has stored: one event, which an undo takes back, however many runs it took.

A run of it notes in its settings which file it stores, so that one whose process died is found again: the next import
of the same file speaks under the same event. An import that has ended notes that, too: a later one has its own event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from retclip.names import name_key
from retclip.store.history import rejections
from retclip.store.history.events import CONTINUES, IMPORT, lock_unless_undone, of_run
from retclip.store.records import OpenRun
from retclip.store.segments.categories import add_stored_facts, ensure_categories, find_categories
from retclip.store.segments.filtering import rows_of_ids
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


def unsaid(connection: Connection, negatives: Mapping[str, Sequence[UUID]]) -> dict[str, list[UUID]]:
    """List those segments, by class, of which nobody has said yet whether they are of it.

    negatives: segments that a file calls negative examples, by class.
    """
    said = rejections.words(connection)
    categories = find_categories(connection, [name_key(name) for name in negatives])
    missing: dict[str, list[UUID]] = {}
    for name, ids in negatives.items():
        category = categories.get(name_key(name))
        for number, row in rows_of_ids(connection, list(ids)).items():
            if category is None or (row, category) not in said:
                missing.setdefault(name, []).append(number)
    return missing


def finish(
    connection: Connection, sha256: str, runs: Sequence[OpenRun], negatives: Mapping[str, Sequence[UUID]]
) -> int | None:
    """The import of a file has ended; the number of its event, None where it stored nothing.

    runs: those of it.
    negatives: by class, segments that were there before and are negative examples of it from now on.
    """
    for name, ids in unsaid(connection, negatives).items():
        event, stored = of_run(connection, runs[-1]), ensure_categories(connection, {name: None})
        add_stored_facts(connection, event, stored, {})
        rejections.add_rejections(connection, event, sorted(rows_of_ids(connection, ids).values()), stored.ids[name])
    rows = connection.execute(select(Run.id, Run.event_id, Run.config).where(Run.kind == KIND)).all()
    for number, _, config in rows:
        if config[IMPORT]["sha256"] == sha256 and not config.get(ENDED):
            connection.execute(update(Run).where(Run.id == number).values(config={**config, ENDED: True}))
    numbers = {run.id for run in runs}
    return max((event for number, event, _ in rows if number in numbers and event is not None), default=None)
