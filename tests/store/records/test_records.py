"""What records say of themselves: words that are refused, sums, what holds of a decision, plain data for JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from retclip.errors import ConfigError
from retclip.names import MatchKind
from retclip.store.records import (
    ClassMatch,
    Decisions,
    EventLog,
    Failure,
    HistoryEvent,
    RunPlan,
    SegmentChange,
    SegmentState,
    SpaceState,
    StoreDifference,
)
from retclip.store.states import Action, Decision, RunKind
from retclip.types import FeatureSpace

SPACE = FeatureSpace("test.backbone", "none", "none", "area-1", 8)
CAR = ClassMatch("Auto", "car", MatchKind.TEXT, 0.95, category=3)
FETCHED = ClassMatch("Kayak", "canoe", MatchKind.SYNONYM, 0.95, dataset="coco")


def test_a_run_of_no_known_kind_is_refused() -> None:
    plan = RunPlan(RunKind.BUILD, "a", "a", "p", "1", {}, "r", SPACE, {}, "0")
    with pytest.raises(ConfigError, match="rebuild"):
        replace(plan, kind="rebuild")


def test_a_space_may_be_asked_where_no_segment_lacks_a_vector() -> None:
    state = SpaceState(SPACE, segments=5, lacking=2, without=1, index="i", pending=0)
    assert (state.total, state.complete) == (8, False)
    assert replace(state, lacking=0).complete


@pytest.mark.parametrize(
    ("match", "holds", "is_fill"),
    [
        (CAR, True, False),
        (FETCHED, True, True),
        (replace(FETCHED, decision=Decision.REJECTED), False, False),
        (replace(FETCHED, how=MatchKind.MISSING), False, False),
    ],
)
def test_which_decision_holds_and_which_is_a_fill(match: ClassMatch, holds: bool, is_fill: bool) -> None:
    assert (match.holds, match.is_fill) == (holds, is_fill)


def test_what_was_rejected_bars_classes_of_the_store_and_names_of_its_data_set() -> None:
    decisions = Decisions(rejected={"auto": [CAR, FETCHED]})
    assert decisions.barred_categories("auto") == {3}
    assert decisions.barred_names("auto", "coco") == {"canoe"}
    assert (decisions.barred_categories("kayak"), decisions.barred_names("auto", "ade")) == (set(), set())


def test_history_is_plain_data_for_json() -> None:
    event = HistoryEvent(2, datetime(2026, 11, 29, 8, 5, tzinfo=UTC), "ann", Action.RENAME, "car", "auto")
    told = json.loads(json.dumps(event.as_dict()))
    assert (told["at"], told["action"], told["now"]) == ("2026-11-29T08:05:00", "class.rename", "auto")
    change = SegmentChange(UUID(int=7), None, SegmentState("car", True, 1, "ann"))
    told = json.loads(json.dumps(StoreDifference((), (change,)).as_dict()))
    assert told["segments"][0]["id"] == str(UUID(int=7)) and told["segments"][0]["after"]["class_name"] == "car"


def test_a_failure_is_told_with_its_image() -> None:
    assert str(Failure("a.jpg", "/x/a.jpg", "no pixels")) == "a.jpg: no pixels"


def test_a_log_in_a_notebook_is_a_table_of_its_newest_events() -> None:
    at = datetime(2026, 11, 29, 14, 30, tzinfo=UTC)
    build = HistoryEvent(1, at, "run 1", Action.BUILD, "folder:<b>", proposer="regions.slic", segments=9)
    rename = HistoryEvent(2, at, "ann", Action.RENAME, "car", "van")
    page = EventLog((build, rename), 3, "ab" * 32)._repr_html_()
    assert "2 events; 3 links, head abababababababab" in page and "folder:&lt;b&gt;" in page and "<b>" not in page
    assert "<td>regions.slic</td>" in page and "<th>masks by</th>" in page and "undone by" not in page
    many = EventLog((rename,) * 60, 60, "")._repr_html_()
    assert many.count("<tr>") == 51 and "the 10 before them left out" in many and "masks by" not in many
