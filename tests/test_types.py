"""The words of the field: frozen, and with digests that change exactly when what they stand for changes."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip import types
from retclip.types import Device, FeatureSpace, Image, MaskProposals, Vocabulary

CLASSES = [one for one in vars(types).values() if dataclasses.is_dataclass(one)]
SPACE = FeatureSpace("openclip.convnext_large", "a" * 64, "resize 800, ImageNet mean and std", "area-1", 768)
words = st.text("ab c", min_size=1, max_size=3)
vocabularies = st.lists(
    st.tuples(words, st.booleans(), st.lists(words, max_size=2).map(tuple)), min_size=1, max_size=4
).map(lambda rows: Vocabulary(*(tuple(column) for column in zip(*rows, strict=True))))


def test_every_dataclass_is_frozen():
    assert len(CLASSES) > 10
    assert [one.__name__ for one in CLASSES if not one.__dataclass_params__.frozen] == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        Device().batch_size = 2


def test_what_holds_arrays_is_compared_by_identity():
    """== over arrays has no single answer, and would raise in the middle of a comparison or a hash."""
    for one in CLASSES:
        holds = any("Tensor" in str(field.type) or "NDArray" in str(field.type) for field in dataclasses.fields(one))
        assert not (holds and one.__dataclass_params__.eq), one.__name__


def test_the_words_import_without_torch():
    code = "import sys, retclip.types, retclip.errors, retclip.shapes, retclip.names; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_id_of_a_feature_space_is_stable():
    # written down, because stores on disk carry it: whoever changes this line orphans them all
    assert SPACE.id == "bab95aa3044f7554"
    assert dataclasses.replace(SPACE).id == SPACE.id


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(FeatureSpace)])
def test_the_id_of_a_feature_space_hears_every_field(name):
    value = getattr(SPACE, name)
    other = dataclasses.replace(SPACE, **{name: value + 1 if name == "dim" else value + "x"})
    assert other != SPACE and other.id != SPACE.id
    # a letter that moves to the next field is another space too
    assert dataclasses.replace(SPACE, backbone="ab", weights="c").id != dataclasses.replace(
        SPACE, backbone="a", weights="bc"
    ).id  # fmt: skip


def test_the_terms_of_a_vocabulary_by_hand():
    one = Vocabulary(("cat", "sky", "dog"), (True, False, True), (("puss",), (), ("hound", "pooch")))
    assert one.terms == ("cat", "puss", "sky", "dog", "hound", "pooch")
    assert one.row_class.tolist() == [0, 0, 1, 2, 2, 2]
    bare = Vocabulary(one.names, one.is_thing)
    assert bare.terms == bare.names and bare.row_class.tolist() == [0, 1, 2] and len(bare) == 3
    with pytest.raises(ValueError, match="shorter"):
        _ = Vocabulary(("cat", "sky"), (True, False), ((),)).terms
    empty = Vocabulary((), ())
    assert empty.terms == () and empty.row_class.tolist() == []


@settings(max_examples=60, deadline=None)
@given(vocabularies)
def test_every_term_belongs_to_its_class(one):
    assert one.row_class.dtype == np.int64 and len(one.row_class) == len(one.terms)
    for index, (name, synonyms) in enumerate(zip(one.names, one.synonyms, strict=True)):
        mine = [term for term, row in zip(one.terms, one.row_class, strict=True) if row == index]
        assert mine == [name, *synonyms], "the name first, then its synonyms"


@settings(max_examples=60, deadline=None)
@given(vocabularies, vocabularies)
def test_two_vocabularies_share_a_digest_when_they_are_the_same(one, other):
    same = (one.names, one.is_thing, one.synonyms) == (other.names, other.is_thing, other.synonyms)
    assert (one.digest == other.digest) == same
    twin = Vocabulary(one.names, one.is_thing, one.synonyms, text=torch.zeros(len(one.terms), 2))
    assert twin.digest == one.digest, "the text vectors follow from the words"
    flipped = Vocabulary(one.names, (not one.is_thing[0], *one.is_thing[1:]), one.synonyms)
    assert flipped.digest != one.digest
    renamed = Vocabulary((one.names[0] + "x", *one.names[1:]), one.is_thing, one.synonyms)
    assert renamed.digest != one.digest


def test_the_digest_is_stable_and_hears_the_order_and_whose_synonym_it_is():
    one = Vocabulary(("cat", "sky"), (True, False), (("puss",), ()))
    assert one.digest == "8c9cef75ff2cd09b18459b8fd2bf7f9d53cc87ec60b5575919957d1b028b86d1"
    assert Vocabulary(("sky", "cat"), (False, True), ((), ("puss",))).digest != one.digest
    assert Vocabulary(("cat", "sky"), (True, False), ((), ("puss",))).digest != one.digest


def test_sizes_are_height_then_width():
    assert Image(np.zeros((4, 7, 3), np.uint8), "0" * 64).size == (4, 7)
    assert len(MaskProposals(torch.zeros(5, 2, 2), torch.zeros(5), (4, 7))) == 5
