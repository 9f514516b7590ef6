"""Audits ask in the space in which a search would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from retclip.asked_space import chosen_space
from retclip.audits import Audit


def session(*stored: str) -> Any:
    """A session over a store of those backbones' vectors, whose configured keys are `b`'s."""
    manager = SimpleNamespace(find=lambda kind, name: SimpleNamespace(full_name=name))
    spaces = SimpleNamespace(
        rows=lambda: [(number, f"space of {name}") for number, name in enumerate(stored)],
        of_backbone=lambda name: f"space of {name}",
    )
    return SimpleNamespace(
        store=SimpleNamespace(spaces=spaces), components=SimpleNamespace(manager=manager),
        settings=SimpleNamespace(components=SimpleNamespace(keys="b", backbone="a")),
    )  # fmt: skip


def test_where_several_are_stored_it_is_that_of_the_configured_keys_and_not_the_first() -> None:
    several = session("a", "b")
    assert Audit(several)._space(None) == chosen_space(several, None) == "space of b"
    assert Audit(several)._space("a") == "space of a"
    assert Audit(session("c"))._space(None) == "space of c"


def test_an_empty_store_has_none() -> None:
    assert Audit(session())._space(None) is None
