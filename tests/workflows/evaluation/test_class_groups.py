"""Classes in groups by who saw them."""

from retclip.workflows.evaluation.class_groups import class_groups


def test_the_worked_example():
    assert class_groups((True, False, True)) == {"seen": [0, 2], "unseen": [1]}


def test_where_nobody_says_there_are_no_groups():
    assert class_groups(None) == {}
