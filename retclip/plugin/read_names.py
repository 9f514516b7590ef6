"""Whether a model reads class names whole, and apart from each other.

A text model reads so many tokens and forgets the rest without a word: two long names that begin alike become one
class, with a cosine of 1. And a tokenizer may spell two names alike: SigLIP's drops punctuation, BERT's has one token
for every letter that it does not know. The first is refused, the second is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache

from retclip.errors import NamesTooLong
from retclip.quantities import some

SHOWN = 3  # names that a message shows
log = logging.getLogger(__name__)


def check_read_whole(tokens: Mapping[str, int], limit: int, model: str) -> None:
    """Check that no name is longer than a model reads.

    tokens: of each name, with everything that stands around it.
    limit: tokens that the model reads at once.
    Raises NamesTooLong.
    """
    long = {name: count for name, count in tokens.items() if count > limit}
    if long:
        examples = some([f"{name[:60]!r} with {count} tokens" for name, count in long.items()], SHOWN)
        todo = "shorten it (a class of the store: retclip class rename), or leave it out"
        error = NamesTooLong(f"names of at most {limit} tokens for {model}", examples, todo)
        error.names = tuple(long)
        raise error


def tell_read_alike(ids: Mapping[str, Sequence[int]], model: str, unknown: int | None = None) -> None:
    """Log names that the model cannot tell apart, or of which it reads nothing; each set of names once.

    ids: the tokens of each name.
    unknown: the token that stands for what the tokenizer does not know; None = it knows everything.
    """
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, several in ids.items():
        alike.setdefault(tuple(several), []).append(name)
    for several, names in alike.items():
        if set(several) <= {unknown}:
            _warn(f"{model} knows no letter of {_shown(names)}")
        elif len(names) > 1:
            _warn(f"{model} reads these names alike, so it cannot tell them apart: {_shown(names)}")


@cache
def _warn(text: str) -> None:
    log.warning("%s", text)


def _shown(names: Sequence[str]) -> str:
    return some([repr(name[:60]) for name in names], SHOWN)
