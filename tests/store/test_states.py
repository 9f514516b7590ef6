"""Words that rows share: one that is not among them is refused wherever it would come in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import CheckConstraint, select, update

from retclip.errors import ConfigError, StoreDamaged
from retclip.store import states
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.sql.columns import Base, OneOf
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Run, Unit
from retclip.store.states import RunKind, RunState, UnitState, Word

WORDS = [
    word for word in vars(states).values() if isinstance(word, type) and issubclass(word, Word) and word is not Word
]
COLUMNS = {
    (table.name, column.name): column.type.words
    for table in Base.metadata.tables.values()
    for column in table.columns
    if isinstance(column.type, OneOf)
}


@pytest.mark.parametrize("words", WORDS)
def test_an_unknown_word_is_refused_with_those_that_there_are(words: type[Word]) -> None:
    assert [words(str(word)) for word in words] == list(words)
    for wrong in ("", next(iter(words)).upper(), "nonsense", None):
        with pytest.raises(ConfigError, match="choose one of these") as caught:
            words(wrong)
        assert all(word in caught.value.expected for word in words) and repr(wrong) in caught.value.got


def test_a_caller_that_misspells_a_state_is_refused(store: FeatureStore, made) -> None:
    run = store.runs.start(made.plan())
    with pytest.raises(ConfigError, match="running, finished, interrupted, failed; got 'done'"):
        store.runs.finish(run, "done", {})
    with pytest.raises(ConfigError, match="got 'biuld'"):
        replace(made.plan(), kind="biuld")
    with pytest.raises(ConfigError, match="edge, server, resident; got 'qdrant'"):
        StoreOptions(index="qdrant")
    assert made.ask(store, "SELECT state FROM run ORDER BY id DESC LIMIT 1") == [("running",)]


def test_every_column_of_words_is_checked_by_the_same_words() -> None:
    assert set(COLUMNS.values()) >= set(WORDS) - {
        states.IndexKind,
        states.LinkFault,
        states.SegmentStatus,
    }  # of no column
    for (table, column), words in COLUMNS.items():
        checks = [one for one in Base.metadata.tables[table].constraints if isinstance(one, CheckConstraint)]
        conditions = [str(one.sqltext) for one in checks if str(one.sqltext).startswith(f"{column} IN")]
        if words is not RunKind:  # that column has no CHECK
            assert conditions == [f"{column} IN ({', '.join(repr(str(word)) for word in words)})"], (table, column)


def test_a_column_takes_and_gives_its_words_alone(store: FeatureStore) -> None:
    with transaction(store.engine) as connection:
        assert set(connection.execute(select(Unit.state)).scalars()) == {UnitState.FINISHED}
        assert connection.execute(select(Run.kind)).scalars().first() is RunKind.BUILD
    with pytest.raises(ConfigError, match="got 'done'"), transaction(store.engine, write=True) as connection:
        connection.execute(update(Run).values(state="done"))
    assert RunState.RUNNING == "running"


def test_a_word_that_nobody_wrote_is_damage(store: FeatureStore, made) -> None:
    made.change(store, "UPDATE run SET kind = 'biuld'")
    with pytest.raises(StoreDamaged, match="biuld"), transaction(store.engine) as connection:
        connection.execute(select(Run.kind)).scalars().all()
