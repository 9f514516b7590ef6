"""A vocabulary of any length cut into prompts that Grounding DINO reads whole, and its answers back to the terms.

Grounding DINO reads at most 256 tokens and forgets the rest without a word (method.md 6.2), so the terms are dealt to
prompts by their token count; no term is cut. A term's score for a box is the mean probability of its own tokens: the
decoded phrase of all tokens above a threshold would merge and cut names (method.md 6.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.errors import ConfigError
from retclip.plugin.read_names import check_read_whole, tell_read_alike

LIMIT = 256  # tokens that the model reads


@dataclass(frozen=True)
class Special:
    """The tokenizer's ids of [CLS], [SEP], the full stop that ends a phrase, and of what it does not know."""

    first: int
    last: int
    stop: int
    unknown: int | None = None


@dataclass(frozen=True)
class Prompt:
    """One text for the model. ids: its tokens. terms: indices into the vocabulary's terms, in order. spans: where each
    term's tokens stand, [start, end)."""

    ids: tuple[int, ...]
    terms: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def spelling(term: str) -> str:
    """As Grounding DINO was trained: lower case; full stop and question mark end a phrase, so they become spaces."""
    return " ".join(term.lower().replace(".", " ").replace("?", " ").split())


def prompts(terms: Sequence[str], tokenize: Callable[[str], list[int]], special: Special, budget: int) -> list[Prompt]:
    """Every term in exactly one prompt of at most `budget` tokens, or alone in a longer one if it needs that. Terms of
    one spelling are asked for once, for the first of them. Raises NamesTooLong for a term that no prompt can hold,
    ConfigError for one of which nothing is left.

    tokenize: a text to ids without special tokens. Worked example: terms of 1, 2 and 3 tokens, budget 8: the first two
    make [CLS] a . b b . [SEP], 7 tokens; the third would make it 11, so it opens the next prompt.
    """
    found: list[Prompt] = []
    ids = [special.first]
    owners: list[int] = []
    spans: list[tuple[int, int]] = []
    for index, tokens in _tokenized(terms, tokenize, special.unknown).items():
        if owners and len(ids) + len(tokens) + 2 > budget:
            found.append(Prompt((*ids, special.last), tuple(owners), tuple(spans)))
            ids, owners, spans = [special.first], [], []
        spans.append((len(ids), len(ids) + len(tokens)))
        owners.append(index)
        ids += [*tokens, special.stop]
    if owners:
        found.append(Prompt((*ids, special.last), tuple(owners), tuple(spans)))
    return found


def term_scores(logits: Tensor, prompt: Prompt) -> Tensor:
    """(b, t): the mean sigmoid over each term's tokens. logits: (b, at least the prompt's tokens)."""
    probabilities = logits.float().sigmoid()
    return torch.stack([probabilities[:, start:end].mean(1) for start, end in prompt.spans], dim=1)


def _tokenized(terms: Sequence[str], tokenize: Callable[[str], list[int]], unknown: int | None) -> dict[int, list[int]]:
    """The tokens of every spelling, by the index of the first term that has it."""
    first: dict[str, int] = {}
    for index, term in enumerate(terms):
        first.setdefault(spelling(term), index)
    found = {index: tokenize(text) for text, index in first.items()}
    check_read_whole({terms[index]: len(tokens) for index, tokens in found.items()}, LIMIT - 3, "Grounding DINO")
    empty = next((terms[index] for index, tokens in found.items() if not tokens), None)
    if empty is not None:
        raise ConfigError(
            "class names with a token at least", f"{empty[:60]!r} with 0 tokens", "write it in words, or leave it out"
        )
    tell_read_alike({terms[index]: tokens for index, tokens in found.items()}, "Grounding DINO", unknown)
    return found
