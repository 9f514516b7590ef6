"""The order of label matching, its strict threshold, and that spelling is judged by the one shared key."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.label_matching import THRESHOLD, match_labels
from retclip.names import LabelMatch, MatchKind, name_key
from retclip.types import Vocabulary

words = st.sampled_from(["cat", "Cat", "DOG", "dog", "wolf", "sea lion", "Sea  Lion", "seal"])
synonym_lists = st.lists(words, max_size=2).map(tuple)
names = st.lists(st.tuples(words, synonym_lists), min_size=1, max_size=4)
store = st.dictionaries(words, synonym_lists, min_size=1, max_size=4)
seeds = st.integers(0, 2**31)


def vocabulary(*names, synonyms=(), text=None):
    return Vocabulary(names, (True,) * len(names), synonyms, text)


def direction(cosine):
    """A unit vector at that cosine from (1, 0)."""
    return [cosine, math.sqrt(1 - cosine**2)]


def test_the_same_name_comes_before_a_synonym_and_a_synonym_before_the_text():
    text = torch.tensor([[1.0, 0.0]])
    away, near = direction(-0.5), direction(0.99)
    stored = ["wolf", "Dog", "hound"]
    told = {"wolf": ["dog", "pooch"]}
    found = match_labels(vocabulary(" dog ", text=text), stored, told, torch.tensor([away, away, near]))
    assert found == (LabelMatch(" dog ", "Dog", MatchKind.EXACT),)
    found = match_labels(vocabulary("pooch", text=text), stored, told, torch.tensor([away, away, near]))
    assert found == (LabelMatch("pooch", "wolf", MatchKind.SYNONYM),)
    (found,) = match_labels(vocabulary("cur", text=text), stored, told, torch.tensor([away, away, near]))
    assert (found.store_class, found.how, found.nearest) == ("hound", MatchKind.TEXT, "hound")
    assert found.similarity == pytest.approx(0.99)


def test_a_synonym_counts_on_either_side():
    mine = vocabulary("pooch", "puss", "nag", synonyms=(("dog",), ("moggy",), ()))
    found = match_labels(mine, ["dog", "cat", "horse"], {"cat": ["MOGGY"], "horse": ["nag"]})
    # mine to a name, mine to a synonym of theirs, my name to a synonym of theirs
    assert [(one.store_class, one.how) for one in found] == [(s, MatchKind.SYNONYM) for s in ("dog", "cat", "horse")]


def test_the_threshold_is_strict():
    text, stored = torch.tensor([[1.0, 0.0]]), torch.tensor([direction(0.25), [0.75, 0.6614378]])
    for threshold, how, store_class in ((0.75, MatchKind.MISSING, None), (0.7499, MatchKind.TEXT, "b")):
        (found,) = match_labels(vocabulary("x", text=text), ["a", "b"], None, stored, threshold)
        assert found == LabelMatch("x", store_class, how, 0.75, "b")
    assert THRESHOLD == 0.95  # the paper's


def test_the_best_term_of_a_class_counts_and_equal_similarities_go_to_the_first():
    text = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # the name's row, then its synonym's
    mine = vocabulary("x", synonyms=(("y",),), text=text)
    (found,) = match_labels(mine, ["a", "b", "c"], None, torch.tensor([[0.0, -1.0], [1.0, 0.0], [1.0, 0.0]]))
    assert found == LabelMatch("x", "b", MatchKind.TEXT, 1.0, "b")


def test_without_text_a_missing_class_gets_the_nearest_spelling_as_a_hint():
    found = match_labels(vocabulary("zebras", "quux"), ["Zebra", "cat"])
    assert found == (
        LabelMatch("zebras", None, MatchKind.MISSING, 0.0, "Zebra"),
        LabelMatch("quux", None, MatchKind.MISSING, 0.0, None),
    )
    assert match_labels(vocabulary("cat"), [])[0].how is MatchKind.MISSING
    assert match_labels(vocabulary("cat", text=torch.ones(1, 1)), [], None, torch.zeros(0, 1))[0].nearest is None


def slow_match(name, mine, stored, theirs):
    """Each rule in turn, class by class."""
    key = name_key(name)
    for one in stored:
        if name_key(one) == key:
            return one, MatchKind.EXACT
    for one in stored:
        if key in [name_key(synonym) for synonym in theirs[one]]:
            return one, MatchKind.SYNONYM
    for synonym in map(name_key, mine):
        for one in stored:
            if name_key(one) == synonym:
                return one, MatchKind.SYNONYM
        for one in stored:
            if synonym in [name_key(other) for other in theirs[one]]:
                return one, MatchKind.SYNONYM
    return None, MatchKind.MISSING


@settings(max_examples=100, deadline=None)
@given(names, store)
def test_matching_by_name_agrees_with_loops(mine, theirs):
    asked = vocabulary(*(name for name, _ in mine), synonyms=tuple(more for _, more in mine))
    before = {name: tuple(more) for name, more in theirs.items()}
    found = match_labels(asked, list(theirs), theirs)
    assert [one.name for one in found] == [name for name, _ in mine], "one match per class, in the user's order"
    assert [(one.store_class, one.how) for one in found] == [slow_match(*one, list(theirs), theirs) for one in mine]
    assert theirs == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=3), st.integers(1, 4), st.floats(-1, 1), seeds)
def test_matching_by_text_agrees_with_loops(counts, stored, threshold, seed):
    generator = torch.Generator().manual_seed(seed)
    text = F.normalize(torch.randn(sum(counts) + len(counts), 3, generator=generator), dim=-1)
    theirs = F.normalize(torch.randn(stored, 3, generator=generator), dim=-1)
    more = tuple(tuple(f"{c}-{i}" for i in range(count)) for c, count in enumerate(counts))
    asked = vocabulary(*map(str, range(len(counts))), synonyms=more, text=text)
    before = text.clone(), theirs.clone()
    store_names = [f"store {s}" for s in range(stored)]
    found = match_labels(asked, store_names, None, theirs, threshold)
    assert torch.equal(text, before[0]) and torch.equal(theirs, before[1])
    row = 0
    for one, count in zip(found, counts, strict=True):
        cosines = [max(float(text[row + i] @ t) for i in range(1 + count)) for t in theirs]
        row += 1 + count
        best = max(range(stored), key=cosines.__getitem__)
        assert one.similarity == pytest.approx(cosines[best], abs=1e-6)
        assert one.nearest == store_names[best]
        if abs(cosines[best] - threshold) > 1e-5:  # nearer than that, rounding decides
            wanted = (store_names[best], MatchKind.TEXT) if cosines[best] > threshold else (None, MatchKind.MISSING)
            assert (one.store_class, one.how) == wanted


def test_what_was_rejected_is_passed_over_by_every_rule():
    stored, more = ["cat", "dog", "hound"], {"dog": ("puppy",), "hound": ("puppy", "whelp")}
    for asked, barred, wanted in [
        (vocabulary("Cat"), {"cat": {"cat"}}, (None, MatchKind.MISSING)),
        (vocabulary("puppy"), {"puppy": {"dog"}}, (None, MatchKind.MISSING)),  # the first of equal synonyms has it
        (vocabulary("pup", synonyms=(("dog", "whelp"),)), {"pup": {"dog"}}, ("hound", MatchKind.SYNONYM)),
        (vocabulary("pup", synonyms=(("dog",),)), {"cat": {"dog"}}, ("dog", MatchKind.SYNONYM)),
    ]:
        (found,) = match_labels(asked, stored, more, rejected=barred)
        assert (found.store_class, found.how) == wanted


def test_of_texts_the_next_one_is_taken_and_a_rejected_one_is_no_hint():
    text = F.normalize(torch.tensor([[1.0, 0.1, 0.0]]), dim=-1)
    stored = torch.eye(3)[[0, 1, 2]]
    asked = vocabulary("kitten", text=text)
    (found,) = match_labels(asked, ["cat", "dog", "cow"], None, stored, 0.05, {"kitten": {"cat"}})
    assert (found.store_class, found.how) == ("dog", MatchKind.TEXT)
    (found,) = match_labels(asked, ["cat", "dog", "cow"], None, stored, 0.05, {"kitten": {"cat", "dog"}})
    assert (found.store_class, found.nearest) == (None, "cow")
    (found,) = match_labels(vocabulary("catt"), ["cat"], rejected={"catt": {"cat"}})
    assert (found.how, found.nearest) == (MatchKind.MISSING, None)
