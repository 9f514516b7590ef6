"""Cutting a vocabulary: nothing lost, nothing merged, nothing too long; and scores by the terms' own tokens."""

import csv
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from retclip_grounded_sam.prompts import LIMIT, Prompt, Special, prompts, spelling, term_scores
from transformers import BertTokenizerFast

from retclip.errors import ConfigError

SPECIAL = Special(first=101, last=102, stop=1012)
VOCABULARIES = Path(__file__).parents[3].parent / "shared" / "data" / "vocab"


def letters(text):
    """A token per letter: easy to count."""
    return [ord(letter) for letter in text.replace(" ", "")]


def test_the_worked_example():
    first, second = prompts(["a", "bb", "ccc"], letters, SPECIAL, budget=8)
    a, b, c = ord("a"), ord("b"), ord("c")
    assert first == Prompt((101, a, 1012, b, b, 1012, 102), (0, 1), ((1, 2), (3, 5)))
    assert second == Prompt((101, c, c, c, 1012, 102), (2,), ((1, 4),))


def test_a_full_prompt_is_as_long_as_it_may_be_and_not_longer():
    assert [len(one.ids) for one in prompts(["aa", "bb", "cc"], letters, SPECIAL, budget=8)] == [8, 5]
    assert [len(one.ids) for one in prompts(["aa", "bb", "cc"], letters, SPECIAL, budget=11)] == [11]


def test_a_term_that_is_longer_than_the_budget_stands_alone():
    found = prompts(["a", "b" * 20, "c"], letters, SPECIAL, budget=8)
    assert [one.terms for one in found] == [(0,), (1,), (2,)]


def test_a_term_that_no_prompt_can_hold_is_refused_and_so_is_one_of_no_tokens():
    with pytest.raises(ConfigError, match="254 tokens"):
        prompts(["a", "b" * 254], letters, SPECIAL, budget=8)
    assert len(prompts(["b" * 253], letters, SPECIAL, budget=8)[0].ids) == LIMIT
    with pytest.raises(ConfigError, match="with 0 tokens"):
        prompts(["?"], letters, SPECIAL, budget=8)


def test_stops_inside_a_name_become_spaces_and_letters_lower():
    assert spelling("  St. Bernard?  Dog ") == "st bernard dog"


def test_terms_of_one_spelling_are_asked_for_once_for_the_first():
    (found,) = prompts(["Car", "sky", "car."], letters, SPECIAL, budget=50)
    assert found.terms == (0, 1)


def test_no_terms_no_prompts():
    assert prompts([], letters, SPECIAL, budget=8) == []


def test_a_term_s_score_is_the_mean_of_its_own_tokens():
    """Logits of 0, ln 3 and -ln 3 are probabilities of 1/2, 3/4 and 1/4."""
    three = float(torch.tensor(3.0).log())
    logits = torch.tensor([[9.0, 0.0, 9.0, three, -three, 9.0], [9.0, three, 9.0, three, three, 9.0]])
    found = term_scores(logits, Prompt((1, 2, 3, 4, 5, 6), (7, 8), ((1, 2), (3, 5))))
    assert found.tolist() == [pytest.approx([0.5, 0.5]), pytest.approx([0.75, 0.75])]


def check_whole(terms, found, tokenize, budget):
    owners = [owner for one in found for owner in one.terms]
    spellings = [spelling(terms[owner]) for owner in owners]
    assert len(set(spellings)) == len(spellings)
    assert set(spellings) == {spelling(term) for term in terms}
    for one in found:
        assert len(one.ids) <= max(budget, 3 + max(end - start for start, end in one.spans)) <= LIMIT
        for owner, (start, end) in zip(one.terms, one.spans, strict=True):
            assert list(one.ids[start:end]) == tokenize(spelling(terms[owner]))
            assert one.ids[end] == SPECIAL.stop


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc d", min_size=1, max_size=30).filter(str.strip), max_size=60), st.integers(8, 256))
def test_any_vocabulary_is_cut_whole(terms, budget):
    check_whole(terms, prompts(terms, letters, SPECIAL, budget), letters, budget)


@pytest.mark.parametrize("count", [150, 1203])
def test_a_long_vocabulary_with_a_real_tokenizer(count, vocabulary_file):
    """Made-up names of one to three words, spelt by a small vocabulary in pieces."""
    tokenizer = BertTokenizerFast(str(vocabulary_file), do_lower_case=True)

    def tokenize(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    words = ["sky", "car", "traffic light", "fire hydrant"]
    terms = [f"{words[n % 4]} {n // 4}" if n >= 4 else words[n] for n in range(count)]
    found = prompts(terms, tokenize, SPECIAL, 128)
    check_whole(terms, found, tokenize, 128)
    assert sum(len(one.terms) for one in found) == count


@pytest.mark.skipif(not VOCABULARIES.is_dir(), reason="the vocabularies in ../shared are not here")
def test_the_real_vocabularies_are_cut_whole(vocabulary_file):
    """ADE20K's 150 classes with all synonyms, LVIS's 1,203, COCO's 254 terms."""
    tokenizer = BertTokenizerFast(str(vocabulary_file), do_lower_case=True)

    def tokenize(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    ade = json.loads((VOCABULARIES / "ade20k_150.json").read_text())
    lvis = json.loads((VOCABULARIES / "lvis_v1_1203.json").read_text())
    with (VOCABULARIES / "coco_train_vocabulary.csv").open() as file:
        coco = [
            value for row in csv.DictReader(file) for key, value in row.items() if key in ("term", "name", "synonym")
        ]
    for listed in (_names(ade), _names(lvis), coco):
        assert len(listed) >= 150
        check_whole(listed, prompts(listed, tokenize, SPECIAL, 128), tokenize, 128)


def _names(listed):
    rows = next(value for value in listed.values() if isinstance(value, list)) if isinstance(listed, dict) else listed
    return [name.replace("_", " ") for row in rows for name in (row.get("synonyms") or [row["name"]])]


def test_the_ids_are_what_the_tokenizer_makes_of_the_joined_text(vocabulary_file):
    tokenizer = BertTokenizerFast(str(vocabulary_file), do_lower_case=True)
    special = Special(tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.convert_tokens_to_ids("."))
    terms = ["sky", "traffic light", "fire hydrant"]
    (found,) = prompts(terms, lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], special, 128)
    assert list(found.ids) == tokenizer("sky. traffic light. fire hydrant.")["input_ids"]
