"""What is told of a name after a fill, and how many of each there are."""

import pytest

from retclip.names import LabelMatch, MatchKind
from retclip.store.records import ClassMatch, Decisions
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.classes.fill_report import FillReport, Near, Outcome, outcome, summary_line

MISS = LabelMatch("kayak", None, MatchKind.MISSING, 0.8, "boat")
FILLED = ClassMatch("kayak", "Canoe", MatchKind.TEXT, 0.95, "world", "world:", 0.97, event=7)


def decided(*matches, rejected=()):
    return Decisions({one.key: one for one in matches}, {one.key: [one] for one in rejected})


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        (LabelMatch("Car", "car", MatchKind.EXACT), ("there", "car", "exact", None)),
        (LabelMatch("auto", "car", MatchKind.SYNONYM), ("matched", "car", "synonym", None)),
        (LabelMatch("auto", "car", MatchKind.TEXT, 0.96, "car"), ("matched", "car", "text", 0.96)),
        (LabelMatch("auto", "car", MatchKind.MAP), ("matched", "car", "map", None)),
        (MISS, ("missing", None, "", None)),
    ],
)
def test_what_the_store_has_is_told(match, wanted):
    one = outcome(match, Decisions(), True, {})
    assert (one.state, one.matched, one.how, one.similarity) == wanted


def test_a_fill_says_from_where_and_what_came_now():
    match = LabelMatch("kayak", "kayak", MatchKind.FALLBACK, 0.97, "Canoe", "world")
    one = outcome(match, decided(FILLED), True, {"kayak": BuildReport(images=3, segments=5)})
    assert one == Outcome("kayak", "filled", "Canoe", "world", "text", 0.97, 3, 5, 7)


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        (decided(), ""),
        (decided(FILLED), "the fill from 'Canoe' of world (event 7) has no segments"),
        (decided(ClassMatch("kayak", "Canoe", MatchKind.EXACT, 0.95, "world")), "the next fill tries again"),
        (
            decided(rejected=[ClassMatch("kayak", "Canoe", MatchKind.EXACT, 0.95, decided_by="ann")]),
            "'Canoe' of the store was rejected by ann",
        ),
    ],
)
def test_what_is_missing_says_why(decisions, words):
    one = outcome(MISS, decisions, True, {})
    assert words in one.reason and (words != "" or one.reason == "")
    assert (one.in_store, one.in_fallback) == (Near("boat", 0.8), None)


def test_the_nearest_of_the_fallback_comes_from_the_row_and_spelling_has_no_cosine():
    row = ClassMatch("kayak", "Canoe", MatchKind.MISSING, 0.95, "world", "world:", 0.9)
    one = outcome(MISS, decided(row), False, {})
    assert (one.in_store, one.in_fallback) == (Near("boat", None), Near("Canoe", 0.9))
    assert (str(one.in_store), str(one.in_fallback)) == ("'boat'", "'Canoe' 0.900")


def test_the_counts():
    report = FillReport((Outcome("a", "there"), Outcome("b", "missing"), Outcome("c", "missing")), 0.95)
    assert summary_line(report) == "1 there, 0 matched, 0 filled, 2 missing"
    assert report.as_dict()["outcomes"][1]["state"] == "missing"
    filled = [Outcome("d", "filled", event=1), Outcome("e", "filled", event=2, images=3), Outcome("f", "filled")]
    assert summary_line(FillReport(tuple(filled), 0.95)) == "0 there, 0 matched, 3 filled (1 of them before), 0 missing"
