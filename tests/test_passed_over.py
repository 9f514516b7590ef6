"""Reasons and their counts: added up wherever they come from, and a source that says nothing says nothing."""

from retclip.passed_over import BAD_ROWS, CROWDS, BadPart, PassedOver, Tally, by_reason, passed_over_by


def test_a_tally_counts_by_reason_and_lists_what_should_have_been_usable():
    tally = Tally()
    tally.skip(CROWDS)
    tally.skip(CROWDS, 2)
    tally.skip("files", 0)  # nothing is no reason
    tally.fault(BAD_ROWS, "row 3", "a.csv", ValueError("no number"))
    tally.assume("turned")
    assert tally.total == PassedOver({CROWDS: 3, BAD_ROWS: 1}, (BadPart("row 3", "a.csv", "no number"),), {"turned": 1})
    assert by_reason(tally.total.counts) == "crowds 3, rows that cannot be read 1"


def test_tallies_are_added_and_what_was_told_before_does_not_change():
    one = Tally()
    one.fault(BAD_ROWS, "row 3", "a.csv", "x")
    before = one.total
    both = Tally(before, PassedOver({BAD_ROWS: 2}, (), {"turned": 1}))
    both.add(PassedOver({CROWDS: 1}))
    assert both.total.counts == {BAD_ROWS: 3, CROWDS: 1} and len(both.total.bad) == 1
    assert before.counts == {BAD_ROWS: 1} and not Tally().total and before


def test_a_source_need_not_say_anything():
    class Telling:
        def passed_over(self):
            return PassedOver({CROWDS: 1})

    class Other:
        def passed_over(self):
            return 7

    assert passed_over_by(Telling()).counts == {CROWDS: 1}
    assert passed_over_by(Other()) == passed_over_by(object()) == PassedOver()
