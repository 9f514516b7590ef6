"""Groups: order kept, sizes as asked, one bad image named and the others answered."""

import weakref

import numpy as np
import pytest

from retclip.errors import DataError
from retclip.plugin.contracts import SourceImage
from retclip.types import Image
from retclip.workflows.segment.in_groups import in_groups


def record(name):
    return SourceImage(name, name, lambda: None, lambda: "")


def image(name):
    return Image(np.zeros((1, 1, 3), np.uint8), name)


def pairs(*names):
    """A name in capitals is a file that could not be read."""
    return [(record(one), DataError("a", one, "c") if one.isupper() else image(one)) for one in names]


def answers(names, size, work):
    found = in_groups(pairs(*names), size, work)
    return [(one.external_id, answer if isinstance(answer, str) else answer.got) for one, answer in found]


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_every_record_gets_its_own_answer_in_order(size):
    sizes = []

    def work(images):
        sizes.append(len(images))
        return [f"seen {one.sha256}" for one in images]

    assert answers("aBcde", size, work) == [
        ("a", "seen a"), ("B", "B"), ("c", "seen c"), ("d", "seen d"), ("e", "seen e"),
    ]  # fmt: skip
    assert sum(sizes) == 4
    assert max(sizes) <= size


def test_one_that_fails_is_named_and_the_others_are_answered():
    asked = []

    def work(images):
        asked.append("".join(one.sha256 for one in images))
        if any(one.sha256 == "b" for one in images):
            raise DataError("a good image", "b is bad", "")
        return [one.sha256 for one in images]

    assert answers("abcd", 3, work) == [("a", "a"), ("b", "b is bad"), ("c", "c"), ("d", "d")]
    assert asked == ["abc", "a", "b", "c", "d"]


def test_another_error_is_not_kept_quiet():
    def work(_):
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        answers("ab", 2, work)


def test_nothing_in_nothing_out():
    assert answers("", 2, list) == []
    assert answers("AB", 2, list) == [("A", "A"), ("B", "B")]


def test_no_image_and_no_answer_is_held_while_the_next_is_made():
    """Of 50 megapixels they take 550 MB; a set serves as an answer, for a text cannot be watched."""
    watched, alive = [], []

    def work(images):
        alive.append(sum(one() is not None for one in watched))
        made = [{one.sha256} for one in images]
        watched.extend(weakref.ref(one) for one in images)
        return made

    records = ((record(name), image(name)) for name in "abc")
    for _, answer in in_groups(records, 1, work):
        watched.append(weakref.ref(answer))
        del answer
    assert alive == [0, 0, 0]
