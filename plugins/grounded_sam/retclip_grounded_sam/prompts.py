"""Splits a vocabulary of any length into prompts for Grounding DINO, and maps token scores back to terms.

Grounding DINO reads at most 256 tokens and silently truncates the rest (method.md 6.2), so terms are distributed over
prompts by their token count; no term is split. A term's score for a box is the mean probability of its own tokens: the
decoded phrase of all tokens above a threshold would merge and truncate names (method.md 6.3).
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
    """The tokenizer's special ids: [CLS], [SEP], the full stop that ends a phrase, and the unknown token."""

    first: int
    last: int
    stop: int
    unknown: int | None = None


@dataclass(frozen=True)
class Prompt:
    """One text prompt.

    ids: its token ids.
    terms: indices into the vocabulary's terms, in order.
    spans: token range [start, end) of each term.
    """

    ids: tuple[int, ...]
    terms: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def spelling(term: str) -> str:
    """Return the term as Grounding DINO was trained: lower case, spaces for the marks that end a phrase (. and ?)."""
    return " ".join(term.lower().replace(".", " ").replace("?", " ").split())


def prompts(terms: Sequence[str], tokenize: Callable[[str], list[int]], special: Special, budget: int) -> list[Prompt]:
    """Return prompts that hold every term once, each of at most `budget` tokens unless one term alone needs more.

    Terms of one spelling are one entry, under the index of the first.

    tokenize: maps a text to ids without special tokens.
    budget: tokens.
    Raises NamesTooLong for a term that no prompt can hold, ConfigError for a term without a token.

    Worked example: terms of 1, 2 and 3 tokens, budget 8: the first two make [CLS] a . b b . [SEP], 7 tokens; the third
    would make it 11, so it opens the next prompt.
    """
    result: list[Prompt] = []
    ids = [special.first]
    owners: list[int] = []
    spans: list[tuple[int, int]] = []
    for index, tokens in _tokenized(terms, tokenize, special.unknown).items():
        if owners and len(ids) + len(tokens) + 2 > budget:
            result.append(Prompt((*ids, special.last), tuple(owners), tuple(spans)))
            ids, owners, spans = [special.first], [], []
        spans.append((len(ids), len(ids) + len(tokens)))
        owners.append(index)
        ids += [*tokens, special.stop]
    if owners:
        result.append(Prompt((*ids, special.last), tuple(owners), tuple(spans)))
    return result


def term_scores(logits: Tensor, prompt: Prompt) -> Tensor:
    """Return (b, t), the mean sigmoid over the tokens of each of t terms (method.md 6.3).

    logits: (b, at least the prompt's tokens).
    """
    probabilities = logits.float().sigmoid()  # (b, tokens)
    return torch.stack([probabilities[:, start:end].mean(1) for start, end in prompt.spans], dim=1)  # (b, t)


def _tokenized(terms: Sequence[str], tokenize: Callable[[str], list[int]], unknown: int | None) -> dict[int, list[int]]:
    """Return the token ids of every spelling, by the index of the first term that has it."""
    first_index: dict[str, int] = {}
    for index, term in enumerate(terms):
        first_index.setdefault(spelling(term), index)
    ids = {index: tokenize(text) for text, index in first_index.items()}
    check_read_whole({terms[index]: len(tokens) for index, tokens in ids.items()}, LIMIT - 3, "Grounding DINO")
    empty = next((terms[index] for index, tokens in ids.items() if not tokens), None)
    if empty is not None:
        raise ConfigError(
            "class names with a token at least", f"{empty[:60]!r} with 0 tokens", "write it in words, or leave it out"
        )
    tell_read_alike({terms[index]: tokens for index, tokens in ids.items()}, "Grounding DINO", unknown)
    return ids
