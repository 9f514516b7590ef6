"""What is known of a class before something is added to it."""

from __future__ import annotations

from retclip.store import additions
from retclip.store.engine import transaction


def test_a_run_that_noted_only_whether_the_class_was_known(store) -> None:
    assert additions.noted_before({"known": True}) == {"known": True}
    assert additions.noted_before({}) == {"known": False}
    with transaction(store.engine) as connection:
        assert additions.class_before(connection, "CAR") == {"known": True, "is_thing": True, "retired_at": None}
        assert additions.class_before(connection, "boat") == {"known": False}
