"""Two spellings, an alias or a merged class: which row of the catalog a name means."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from retclip.errors import DataError
from retclip.names import name_key
from retclip.store.history import events
from retclip.store.segments.categories import add_stored_facts, find_categories
from retclip.store.segments.categories import ensure_categories as ensured
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Category, CategoryAlias


@pytest.fixture
def connection(light_work):
    with transaction(light_work.open().engine, write=True) as opened:
        yield opened


def ensure_categories(connection, names: dict[str, bool | None]) -> dict[str, int]:
    """As a commit does it, in an event of its own."""
    stored = ensured(connection, names)
    add_stored_facts(connection, events.add(connection, "run 1", "build", "test:"), stored, names)
    return dict(stored.ids)


def found(connection, *names: str) -> list[int | None]:
    by_key = find_categories(connection, [name_key(name) for name in names])
    return [by_key.get(name_key(name)) for name in names]


def alias(connection, category: int, name: str) -> None:
    connection.execute(insert(CategoryAlias).values(category_id=category, alias=name, alias_key=name_key(name)))


def merge(connection, one: int, into: int) -> None:
    connection.execute(update(Category).where(Category.id == one).values(merged_into_id=into))


def test_unknown_names_become_classes_once(connection) -> None:
    first = ensure_categories(connection, {"car": True, "road": False, "fog": None})
    assert len(set(first.values())) == 3
    assert ensure_categories(connection, {"fog": None, "car": None}) == {"fog": first["fog"], "car": first["car"]}
    assert found(connection, "car", "nothing") == [first["car"], None]


def test_spellings_are_one_class(connection) -> None:
    """Full-width letters, capitals, several blanks: NFKC, casefolded, collapsed."""
    ids = ensure_categories(connection, {"Traffic  Light": True, "traffic light": None, "ＴＲＡＦＦＩＣ\tlight ": None})
    assert set(ids) == {"Traffic  Light", "traffic light", "ＴＲＡＦＦＩＣ\tlight "}, "each name as it was asked for"
    assert len(set(ids.values())) == 1
    assert found(connection, "STRASSE") == found(connection, "straße") == [None]
    (street,) = ensure_categories(connection, {"straße": None}).values()
    assert found(connection, "STRASSE") == [street]


def test_different_names_are_different_classes(connection) -> None:
    ids = ensure_categories(connection, dict.fromkeys(["car", "cars", "c ar", "çar", "%", "_", "'; --"], None))
    assert len(set(ids.values())) == 7


def test_whether_it_is_a_thing_is_filled_in_but_never_changed(connection) -> None:
    def is_thing() -> bool | None:
        return connection.execute(Category.__table__.select()).one().is_thing

    ensure_categories(connection, {"car": None})
    assert is_thing() is None
    ensure_categories(connection, {"car": True})
    assert is_thing() is True
    ensure_categories(connection, {"Car": False})
    assert is_thing() is True
    ensure_categories(connection, {"car": None})
    assert is_thing() is True


def test_an_alias_means_its_class(connection) -> None:
    (car,) = ensure_categories(connection, {"car": True}).values()
    alias(connection, car, "Motor Car")
    assert found(connection, "motor  car", "car") == [car, car]
    assert ensure_categories(connection, {"motor car": None}) == {"motor car": car}, "no second class of that name"


def test_a_class_of_that_name_counts_more_than_an_alias(connection) -> None:
    ids = ensure_categories(connection, {"car": None, "van": None})
    alias(connection, ids["car"], "van")
    assert found(connection, "van") == [ids["van"]]


def test_merges_are_followed_to_their_end(connection) -> None:
    names = ["auto", "car", "vehicle", "thing"]
    auto, car, vehicle, thing = ensure_categories(connection, dict.fromkeys(names, None)).values()
    merge(connection, auto, car)
    assert found(connection, *names) == [car, car, vehicle, thing]
    merge(connection, car, vehicle)
    merge(connection, vehicle, thing)
    alias(connection, auto, "automobile")
    assert found(connection, *names, "automobile") == [thing] * 5
    assert ensure_categories(connection, {"auto": None}) == {"auto": thing}


def test_a_circle_of_merges_ends(connection) -> None:
    """No command makes one, but a hand in the database might; a build must not hang on it."""
    one, two, three, out = ensure_categories(connection, dict.fromkeys(["one", "two", "three", "out"], None)).values()
    for pair in ((one, two), (two, three), (three, one), (out, one)):
        merge(connection, *pair)
    assert set(found(connection, "one", "two", "three", "out")) <= {one, two, three}


def test_more_names_than_one_statement_may_carry(connection) -> None:
    ids = ensure_categories(connection, {"first": None, "last": None})
    keys = ["first", *(f"name {n}" for n in range(33_000)), "last"]
    assert find_categories(connection, keys) == ids


def test_no_names(connection) -> None:
    assert ensure_categories(connection, {}) == {}
    assert find_categories(connection, []) == {}


@pytest.mark.parametrize("name", ["n" * 5000, "a\0b", "   ", "\ud800x", "\ufdfa" * 20])
def test_a_name_that_no_class_may_have_is_refused_by_both_databases_alike(connection, name) -> None:
    with pytest.raises(DataError, match="a name of 1 to 200 characters"):
        ensure_categories(connection, {"road": True, name: True})
    assert found(connection, name) == [None], "and a question for it is no error"
    assert ensure_categories(connection, {"road": True})


@pytest.mark.parametrize("name", ["می\u200cدان", "क\u094d\u200dष", "👩\u200d🚀", "n" * 200])
def test_joiners_and_long_names_are_kept_by_both_databases(connection, name) -> None:
    (number,) = ensure_categories(connection, {name: True}).values()
    row = connection.execute(select(Category.name, Category.name_key).where(Category.id == number)).one()
    assert row == (name, name)
    assert found(connection, f" {name}\u200b") == [number]
    assert found(connection, name.replace("\u200c", "").replace("\u200d", "")) == [number if name[0] == "n" else None]
