"""Ids name the slot and never change: a store built years ago must meet the same ids when it is built again."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retclip.store.ids import NAMESPACE, digest, failed_key, recipe_fingerprint, segment_id, unit_key

IMAGE = "0" * 64
words = st.text(max_size=6)


def test_the_namespace_is_fixed() -> None:
    assert UUID("6c0f1c59-5f43-5a3c-9d0a-52e7c11f0b7e") == NAMESPACE


def test_known_values() -> None:
    """Written down once: whoever changes a rule here makes every existing store a stranger to itself."""
    assert segment_id(IMAGE, "r", "car", 0) == UUID("833984b3-2894-5aae-8220-5f4ac43f3f13")
    assert digest("a", "bc") == "0d455c46a0c1802607406cf13cf9dc0dd8c66fae7ae2c72ac1de01f70c456114"
    assert (
        recipe_fingerprint("p", "1", {"b": 1, "a": [2]})
        == "540e45090604ed9439c3c487b69582d309f8cfa48d5bb393e098415c2ff34a5c"
    )
    assert (
        unit_key("i", "a", "r", "s", ["car", "road"])
        == "96909ba7501880b2d20f5e424aff8a1b2bf8d90822bf6b36d6e9f2da6733db8e"
    )
    assert failed_key("src", "1.jpg") == "dcd249db4e689c0893c834a80c1b7f26a63770934f66594287e7fbf9ede712ed"


def test_parts_do_not_run_together() -> None:
    assert digest("a", "bc") != digest("ab", "c") != digest("abc") != digest("abc", "")
    assert unit_key("a", "bc", "r", "s", []) != unit_key("ab", "c", "r", "s", [])
    assert unit_key("i", "a", "r", "s", ["x", "y"]) != unit_key("i", "a", "r", "s", ['x", "y'])
    assert failed_key("a", "b") != failed_key("b", "a")


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
def test_a_digest_differs_where_its_parts_do(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_names_that_no_encoding_can_write_have_a_digest_too() -> None:
    assert len(digest("photo\udcff.jpg")) == 64  # what Python makes of a file name that is no UTF-8


def test_every_part_of_a_slot_counts() -> None:
    slots = itertools.product([IMAGE, "1" * 64], ["r", "s"], ["car", "cars", "1"], range(12))
    ids = [segment_id(*slot) for slot in slots]
    assert len(set(ids)) == len(ids)
    assert {one.version for one in ids} == {5}


def test_prompt_and_ordinal_do_not_run_together() -> None:
    assert segment_id(IMAGE, "r", "car1", 1) != segment_id(IMAGE, "r", "car", 11)
    assert segment_id(IMAGE, "rc", "ar", 0) != segment_id(IMAGE, "r", "car", 0)


@given(st.permutations(["car", "road", "tree", "person"]))
def test_a_unit_does_not_depend_on_the_order_of_classes(classes: list[str]) -> None:
    assert unit_key("i", "a", "r", "s", classes) == unit_key("i", "a", "r", "s", sorted(classes))


@pytest.mark.parametrize("position", range(4))
def test_every_part_of_a_unit_counts(position: int) -> None:
    parts = ["i", "a", "r", "s"]
    before = unit_key(*parts, classes=["car"])
    parts[position] = "other"
    assert unit_key(*parts, classes=["car"]) != before


def test_another_class_is_another_unit() -> None:
    assert unit_key("i", "a", "r", "s", ["car"]) != unit_key("i", "a", "r", "s", ["car", "road"])


def test_a_recipe_does_not_depend_on_the_order_of_settings() -> None:
    assert recipe_fingerprint("p", "1", {"a": 1, "b": {"d": 2, "c": 3}}) == recipe_fingerprint(
        "p", "1", {"b": {"c": 3, "d": 2}, "a": 1}
    )


def test_every_part_of_a_recipe_counts() -> None:
    made = {
        recipe_fingerprint("p", "1", {"a": 1}),
        recipe_fingerprint("p", "2", {"a": 1}),
        recipe_fingerprint("q", "1", {"a": 1}),
        recipe_fingerprint("p", "1", {"a": 2}),
        recipe_fingerprint("p", "1", {"a": "1"}),
        recipe_fingerprint("p", "1", {}),
    }
    assert len(made) == 6
