"""Random edits, additions and undos in any order, against a model that replays what was said in the plainest way."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.data import rle
from retclip.errors import DataError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import reconcile
from retclip.store.places import CATALOG

IMAGES, NAMES = (1, 2), ("car", "road", "boat")
Slot = tuple[int, str, int]  # image, prompt, ordinal


@dataclass
class Model:
    """What was said, event by event, and which events were taken back when."""

    said: list[tuple[int, Slot, str, object]] = field(default_factory=list)
    removed: list[tuple[int, str, bool]] = field(default_factory=list)
    undone: dict[int, int] = field(default_factory=dict)
    newest: int = 0

    def holds(self, event: int, at: int) -> bool:
        return event <= at and not self.undone.get(event, at + 1) <= at

    def segments(self, at: int) -> dict[Slot, tuple[str, int, bool]]:
        """Class, area and whether it is visible of every slot that was filled by then."""
        found = {}
        for slot in dict.fromkeys(slot for event, slot, *_ in self.said if event <= at):
            mine = [(event, what, value) for event, one, what, value in self.said if one == slot and event <= at]

            def last(what: str, default: object, mine=mine) -> object:
                held = [value for event, one, value in mine if one == what and self.holds(event, at)]
                return held[-1] if held else default

            first = {what: value for _, what, value in reversed(mine)}
            shown = bool(last("present", False)) and not last("hidden", False)
            found[slot] = (last("class", first["class"]), last("area", first["area"]), shown)
        return found

    def classes(self, at: int) -> dict[str, int]:
        """Visible segments of every class that is there."""
        there: dict[str, bool] = {}
        for event, name, present in self.removed:
            if self.holds(event, at):
                there[name] = present
        counted = dict.fromkeys((name for name, present in there.items() if present), 0)
        for name, _, shown in self.segments(at).values():
            if shown and name in counted:
                counted[name] += 1
        return counted


class Both:
    """A store and its model, which every step changes alike."""

    def __init__(self, store: FeatureStore, made) -> None:
        self.store, self.made, self.model, self.runs = store, made, Model(), 0

    def event(self, number: int) -> int:
        assert number == self.model.newest + 1
        self.model.newest = number
        return number

    def found(self, kind: str, image: int, name: str, count: int, rows: int) -> None:
        """A run finds so many segments of a class in an image, with masks of so many rows."""
        made, self.runs = self.made, self.runs + 1
        unit = made.unit(image, (name,), count, f"run {self.runs}")
        mask = np.zeros((4, 4), dtype=bool)
        mask[:rows] = True
        counts = rle.encode(mask)["counts"].encode()
        drawn = tuple(replace(one, rle=counts, area=4 * rows, box=(0, 0, 4, rows)) for one in unit.segments)
        config = self.store.classes.note_of_addition(name, False) if kind == "class_add" else {}
        run = self.store.runs.start(replace(made.plan(kind), config=config))
        there = {
            slot for slot, (_, _, _) in self.model.segments(self.model.newest).items() if slot[:2] == (image, name)
        }
        present = {slot for slot in there if self.said_present(slot)}
        self.store.runs.commit(run, [replace(unit, segments=drawn)], {name: True})
        if kind == "class_add":
            self.store.classes.finish_addition(run.id)
        if kind == "class_add" and not count and not present:
            return
        event = self.event(self.store.history.log()[-1].id)
        if count or kind != "class_add":
            self.model.removed.append((event, name, True))
        for slot in [(image, name, ordinal) for ordinal in range(count)]:
            if slot not in there:
                self.model.said.append((event, slot, "class", name))
            self.model.said += [(event, slot, "area", 4 * rows), (event, slot, "present", True)]
        self.model.said += [(event, slot, "present", False) for slot in present if slot[2] >= count]

    def said_present(self, slot: Slot) -> bool:
        held = [
            value for event, one, what, value in self.model.said
            if one == slot and what == "present" and self.model.holds(event, self.model.newest)
        ]  # fmt: skip
        return bool(held and held[-1])

    def person(self, what: str, pick: int, name: str) -> None:
        """A person relabels, hides or releases a segment, or removes a class."""
        slots = list(self.model.segments(self.model.newest))
        there = self.model.classes(self.model.newest)
        if what == "remove":
            if name not in there:
                return
            event = self.event(self.store.classes.remove(name, "ann").event)
            self.model.removed.append((event, name, False))
            now = self.model.segments(event - 1)
            self.model.said += [
                (event, slot, "present", False) for slot in slots if now[slot][0] == name and self.said_present(slot)
            ]
            return
        if not slots or (what == "relabel" and name not in there):
            return
        slot = slots[pick % len(slots)]
        ids = [self.point(slot)]
        if what == "relabel":
            done = self.store.segments.relabel(ids, name, "ann")
            if self.model.segments(self.model.newest)[slot][0] == name:
                assert (done.event, done.segments, done.unchanged) == (0, 0, 1)
                return
            self.model.said.append((self.event(done.event), slot, "class", name))
        else:
            done = getattr(self.store.segments, what)(ids, "ann")
            held = [
                value for event, one, kind, value in self.model.said
                if (one, kind) == (slot, "hidden") and self.model.holds(event, self.model.newest)
            ]  # fmt: skip
            if (held[-1] if held else False) == (what == "quarantine"):
                assert (done.event, done.segments, done.unchanged) == (0, 0, 1)
                return
            self.model.said.append((self.event(done.event), slot, "hidden", what == "quarantine"))

    def undo(self, pick: int) -> None:
        events = list(range(1, self.model.newest + 1))
        if not events:
            return
        event = events[pick % len(events)]
        if event in self.model.undone or event in self.model.undone.values():
            with pytest.raises(DataError):
                self.store.undo(event, "bob")
            return
        undo = self.event(self.store.undo(event, "bob").event)
        self.model.undone[event] = undo

    def point(self, slot: Slot):
        return self.points()[slot]

    def points(self) -> dict[Slot, object]:
        every = self.made.ask(
            self.store, "SELECT i.external_id, prompt, ordinal, s.id FROM segment s JOIN image i ON i.id = image_id"
        )
        ids = {}
        for name, prompt, ordinal, row in every:
            (point,) = self.made.ids(self.store, f"id = {row}").values()
            ids[int(name.removesuffix(".jpg")), prompt, ordinal] = point
        return ids

    def agree(self) -> None:
        """Now, as of every event, and between any two."""
        points = self.points()
        now = self.model.segments(self.model.newest)
        assert set(points) == set(now)
        known = self.store.segments.get(list(points.values()))
        for slot, (name, area, shown) in now.items():
            one = known[points[slot]]
            assert (one.class_name, one.area, one.status == "visible") == (name, area, shown), slot
        assert {one.name: one.segments for one in self.store.classes.all()} == self.model.classes(self.model.newest)
        history = self.store.history
        for at in range(1, self.model.newest + 1):
            assert {one.name: one.segments for one in history.classes_at(at)} == self.model.classes(at), at
            was, places = self.model.segments(at), {point: slot for slot, point in points.items()}
            changes = {places[one.id]: one for one in history.difference(at, self.model.newest).segments}
            assert {slot for slot in now if was.get(slot) != now[slot]} <= set(changes), at
            for slot, one in changes.items():  # it may also tell who labelled it, or which of two equal masks it is
                for state, said in ((one.before, was.get(slot)), (one.after, now[slot])):
                    assert (state and (state.class_name, state.visible)) == (said and (said[0], said[2])), (at, slot)
        assert self.store.maintenance.stale_caches() == (0, 0)
        assert not self.runs or reconcile.differences(self.store.projection()).clean


STEP = st.one_of(
    st.tuples(
        st.just("found"), st.sampled_from(["build", "class_add"]), st.sampled_from(IMAGES), st.sampled_from(NAMES),
        st.integers(0, 2), st.integers(1, 3),
    ),
    st.tuples(
        st.just("person"), st.sampled_from(["relabel", "quarantine", "release", "remove"]), st.integers(0, 9),
        st.sampled_from(NAMES),
    ),
    st.tuples(st.just("undo"), st.integers(0, 30)),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(STEP, min_size=3, max_size=12))
def test_whatever_was_said_in_whatever_order_holds_as_the_model_says(catalog: Path, made, steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store"
        place.mkdir()
        (place / CATALOG).write_bytes(catalog.read_bytes())
        with FeatureStore.create(place, StoreOptions(index="resident")) as store:
            both = Both(store, made)
            for step, *arguments in steps:
                getattr(both, step)(*arguments)
            both.agree()
