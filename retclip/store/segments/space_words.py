"""Two feature spaces of one backbone, told apart in words, and the settings that bring the first one back."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from retclip.types import FeatureSpace

WORDS = ("weights", "preprocessing", "pooling", "dim")
SHORT = 12  # digits of a digest
Difference = tuple[str, str, str]  # the word's name, what it says in the first space and in the second


def differences(first: FeatureSpace, second: FeatureSpace) -> list[Difference]:
    """Return the words of two spaces that are others, of long ones only the parts between commas that are."""
    differing = []
    for word in WORDS:
        before, after = (str(getattr(space, word)) for space in (first, second))
        if before != after:
            differing.append((word, *_apart(before, after)))
    return differing


def _apart(first: str, second: str) -> tuple[str, str]:
    parts = [re.split(r"[,;] ?", text) for text in (first, second)]
    own = [", ".join(part for part in several if part not in others) for several, others in (parts, parts[::-1])]
    return own[0] or first, own[1] or second


def described(differing: Sequence[Difference], which: int) -> str:
    """Return what one of the two spaces says. which: 0 or 1."""
    words = ((word, (first, second)[which]) for word, first, second in differing)
    return "; ".join(f"{word} {text[:SHORT] if word == 'weights' else text!r}" for word, text in words)


def settings_to_repeat(settings: Mapping[str, Any], differing: Sequence[Difference]) -> str:
    """Return options for the settings whose values the first space's differing words name, and for those that are off,
    of which words say nothing; for all where none is named.

    settings: those that the first space was made with, by their full keys.
    """
    words = " ".join(first for _, first, _ in differing)
    named = {key: value for key, value in settings.items() if _names(words, key, value)}
    if named:
        named |= {key: value for key, value in settings.items() if value in (0, "")}  # False, too
    return " ".join(f"--set {shlex.quote(f'{key}={_text(value)}')}" for key, value in (named or settings).items())


def _names(words: str, key: str, value: Any) -> bool:
    last = key.rpartition(".")[2]
    return last in words or bool(re.search(rf"(?<![\w.]){re.escape(_text(value))}(?![\w.])", words))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
