"""What does not fit is said before anything is loaded."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin import LEVELS, NEIGHBOURS, TEXT
from retclip.plugin.pairing import Capable, check_pairing, needs_store

BARE = Capable("own.histograms", (), ())
FULL = Capable("own.clip", (TEXT, LEVELS), ())


def test_what_the_backbone_provides_or_the_store_gives_is_no_problem():
    others = [Capable("a.vote", (), (NEIGHBOURS,)), Capable("a.text", (), (TEXT,)), Capable("a.masks", (), (LEVELS,))]
    check_pairing(FULL, others)
    check_pairing(BARE, others[:1])


@pytest.mark.parametrize(
    ("need", "said"), [(TEXT, "no text tower"), (LEVELS, "no named feature maps"), ("odd", "does not provide 'odd'")]
)
def test_what_it_does_not_provide_is_named_on_both_sides(need, said):
    with pytest.raises(ConfigError, match=f"own.histograms, which .*{said[-8:]}.*another backbone") as caught:
        check_pairing(BARE, [Capable("a.vote", (), (NEIGHBOURS,)), Capable("a.reader", (), (need,))])
    assert "a.reader" in caught.value.expected and said in caught.value.got


VOTES, READS = frozenset({NEIGHBOURS}), frozenset({TEXT})


@pytest.mark.parametrize(
    ("needs", "without_store", "needed"),
    [
        ([VOTES, READS], False, True),
        ([VOTES, READS], True, False),
        ([VOTES], True, True),  # nobody would be left
        ([READS], False, False),
        ([], True, False),
    ],
)
def test_a_store_is_needed_where_a_vote_cannot_be_left_out(needs, without_store, needed):
    assert needs_store(needs, without_store) is needed
