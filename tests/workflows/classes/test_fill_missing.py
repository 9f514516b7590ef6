"""Walk 4 whole: 40 names of which the store lacks 10, a fallback data set that has 6 of these; killed, done again."""

from dataclasses import replace

import pytest

from retclip.errors import ConfigError, DataError
from retclip.names import MatchKind
from retclip.store.classes import match_edits
from retclip.store.sql.engine import transaction
from retclip.store.work import leases
from retclip.types import Vocabulary
from retclip.workflows.classes.fill_class import LOOK_EVERY
from retclip.workflows.classes.fill_missing import fill_missing
from retclip.workflows.segment.vocabulary import prepare


def test_exactly_the_right_six_are_filled_and_a_second_run_fetches_nothing(world):
    report = world.fill()
    assert [one.name for one in report.of("there")] == list(world.stored_names)
    assert {one.name: (one.how, one.matched, one.dataset) for one in report.of("filled")} == {
        "kayak": ("exact", "Kayak", "the world"), "Tractor": ("exact", "tractor", "the world"),
        "settee": ("synonym", "Chesterfield", "the world"), "lorry": ("synonym", "Truck", "the world"),
        "puppy": ("text", "Young dog", "the world"), "bike": ("text", "Bicycle", "the world"),
    }  # fmt: skip
    assert [one.name for one in report.of("missing")] == ["unicorn", "dragon", "couchette", "canoes"]
    assert world.opened == ["world:"] and report.failures == ()
    wanted = {"kayak": 32, "Tractor": 3, "settee": 3, "lorry": 3, "puppy": 3, "bike": 3}
    stored = world.stored()
    assert {name: stored.get(name) for name in wanted} == wanted  # 20 are enough: looked at every 4 photos
    assert len(stored) == 36 and len(world.source.loaded) == 8 + 5 * 3
    loaded = list(world.source.loaded)
    again = world.fill()
    assert (world.source.loaded, world.opened) == (loaded, []), "what is decided is not asked again"
    assert [replace(one, images=0, segments=0) for one in report.outcomes] == list(again.outcomes)


def test_every_decision_is_a_row_with_its_reason_and_its_run(world):
    report = world.fill()
    told = {one.query: one for one in world.rows()}
    assert set(told) == set(world.absent), "a class of the very name is no decision"
    puppy = told["puppy"]
    assert (puppy.how, puppy.matched, puppy.decision, puppy.threshold) == ("text", "Young dog", "auto", 0.95)
    assert puppy.similarity == pytest.approx(0.97) and puppy.encoder == world.parts.backbone.component.space.id
    assert puppy.decided_by.startswith("retclip ") and puppy.source == "world:"
    assert told["kayak"].similarity is None and told["kayak"].encoder == ""
    assert all((one.run is None) == (one.how is MatchKind.MISSING) for one in told.values())
    assert {one.event for one in told.values()} - {None} == {one.event for one in report.of("filled")}


def test_what_is_missing_says_what_was_nearest_in_both_places(world):
    told = {one.name: one for one in world.fill().of("missing")}
    assert told["canoes"].in_fallback.name == "Boat"
    assert told["canoes"].in_fallback.similarity == pytest.approx(0.949, abs=1e-6)
    assert (told["couchette"].in_store.name, round(told["couchette"].in_store.similarity, 3)) == ("sofa", 0.9)
    (row,) = world.rows("couchette")
    assert row.reason == "nearest in the store: 'sofa' 0.900"
    again = {one.name: one for one in world.fill().of("missing")}
    assert again == told, "told from the rows, too"


def test_the_answers_for_segmenting_say_where_a_class_came_from(world):
    world.fill()
    found = {one.name: one for one in prepare(world.parts, world.vocabulary()).matches}
    puppy = found["puppy"]
    assert (puppy.how, puppy.store_class) == (MatchKind.FALLBACK, "puppy")
    assert (puppy.nearest, puppy.dataset) == ("Young dog", "the world")
    assert puppy.similarity == pytest.approx(0.97) and found["sofa"].how is MatchKind.EXACT
    assert [name for name, one in found.items() if one.how is MatchKind.MISSING] == list(world.absent[6:])


def test_a_fill_is_taken_back_by_one_undo_and_not_made_again(world):
    before = world.stored()
    report = world.fill()
    event = next(one.event for one in report.outcomes if one.name == "kayak")
    assert world.parts.store.undo(event, "ann").segments == 32 and "kayak" not in world.stored()
    loaded = list(world.source.loaded)
    again = world.fill()
    kayak = next(one for one in again.of("missing") if one.name == "kayak")
    assert kayak.reason == "'Kayak' of the world was rejected by ann" and world.source.loaded == loaded
    rows = [(one.how, one.decision) for one in world.rows("kayak")]
    assert rows == [("exact", "auto"), ("exact", "rejected"), ("missing", "auto")]
    for other in again.of("filled"):
        world.parts.store.undo(other.event, "ann")
    assert world.stored() == before


def test_stopped_after_any_step_a_second_run_finishes_and_one_undo_takes_all_back(world, stopped_at):
    before = world.stored()
    whole, stopped = {**before, "kayak": 32, "puppy": 3}, True
    for step in range(100):
        stopped = stopped_at(step, lambda: world.fill("kayak", "puppy"))
        if stopped:
            world.fill("kayak", "puppy")
        assert world.stored() == whole, step
        loaded = len(world.source.loaded)
        events = [one.event for one in world.fill("kayak", "puppy").outcomes]
        assert len(world.source.loaded) == loaded and None not in events
        for event in events:
            world.parts.store.undo(event, "ann")
        assert world.stored() == before, step
        with transaction(world.parts.store.engine, write=True) as connection:  # as if nobody had decided yet
            connection.exec_driver_sql("DELETE FROM class_match")
        if not stopped:
            break
    assert step >= 6 and not stopped


class Stopped(BaseException):
    """The program ends here."""


def test_stopped_between_the_last_photo_and_the_event_nothing_is_fetched_twice(world, monkeypatch):
    def stop(*_):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(match_edits, "finish_fill", stop)
        with pytest.raises(Stopped):
            world.fill("puppy", "bike")
    assert world.stored()["puppy"] == 3 and [one.event for one in world.rows()] == [None, None]
    found = prepare(world.parts, world.vocabulary("puppy")).matches
    assert found[0].how is MatchKind.FALLBACK
    loaded = list(world.source.loaded)
    report = world.fill("puppy", "bike")
    assert len(world.source.loaded) == len(loaded) + 3, "only the bike's"
    event = report.outcomes[0].event
    assert world.parts.store.undo(event, "ann").segments == 3 and "puppy" not in world.stored()


def test_photos_that_cannot_be_read_leave_the_fill_open(world):
    world.source.broken = True
    report = world.fill("bike")
    assert [(one.state, one.event) for one in report.outcomes] == [("missing", None)] and len(report.failures) == 3
    assert "the next fill tries again" in report.outcomes[0].reason
    world.source.broken = False
    assert [one.state for one in world.fill("bike").outcomes] == ["filled"]


def test_a_removed_class_stays_away_until_somebody_asks_again(world):

    world.fill("bike")
    world.parts.store.classes.remove("bike", "ann")
    (told,) = world.fill("bike").outcomes
    assert (told.state, world.opened) == ("missing", []) and "has no segments" in told.reason
    (told,) = world.fill("bike", again=True).outcomes
    assert (told.state, world.stored()["bike"], len(world.rows("bike"))) == ("filled", 3, 2)


def test_without_a_fallback_data_set_everything_is_told_and_nothing_opened(world):
    parts = world.parts
    world.parts = replace(parts, settings=type(parts.settings)())
    report = world.fill("kayak", "sofa")
    assert ([one.state for one in report.outcomes], world.opened) == (["missing", "there"], [])
    world.parts = parts
    assert [one.state for one in world.fill("kayak").outcomes] == ["filled"], "named later, it is asked"


def test_who_counts_is_said_by_the_user_or_else_by_the_data_set(world):
    names = Vocabulary(("bike", "puppy"), (False, None))
    fill_missing(world.filling(), names)
    things = {one.name: one.is_thing for one in world.parts.store.classes.all()}
    assert (things["bike"], things["puppy"]) == (False, True)


def test_a_fill_needs_names_and_a_data_set_with_classes(world):
    with pytest.raises(ConfigError, match="--classes"):
        fill_missing(world.filling(), None)
    world.source = world.Photos({}, [])
    with pytest.raises(DataError, match="annotated source"):
        world.fill("kayak")
    assert world.rows() == []


@pytest.fixture
def beside(world, monkeypatch):
    """A fill in which another process fills the same class, when the fifth photo of it is read; what it told."""
    told, real, count = [], world.source.load, [0]

    def load(number):
        count[0] += 1
        if count[0] == LOOK_EVERY + 1:  # the first photos are committed, the next ones held
            with monkeypatch.context() as patch:
                patch.setattr(leases, "me", lambda: "another-host/77/1.0")
                told.append(world.fill("kayak"))
        return real(number)

    monkeypatch.setattr(world.source, "load", load)
    return told


def test_a_fill_is_not_over_while_another_process_works_on_it(world, beside):
    report = world.fill("kayak", "puppy")
    ((other,),) = (one.outcomes for one in beside)
    assert (other.state, other.event) == ("filled", None)
    assert "being worked on by another process; run it again" in other.reason
    mine = next(one for one in report.outcomes if one.name == "kayak")
    assert mine.event == world.rows("kayak")[-1].event is not None and mine.reason == ""
    stored = world.stored()["kayak"]
    assert world.parts.store.matches.reject("kayak", "ann").segments == stored and "kayak" not in world.stored()
