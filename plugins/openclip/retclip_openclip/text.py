"""Class names to text vectors, by FC-CLIP's rule, kept on disk (method.md 1.4).

Every name is put into 14 sentences; each sentence's vector gets unit length, their mean gets unit length again. One row
per *name*: synonyms are rows of their own, and a class scores the best of its rows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retclip.names import LONGEST
from retclip.plugin.read_names import check_read_whole, tell_read_alike

BATCH = 128  # sentences at once (method.md 1.4)
MOST_BYTES = 4 * LONGEST  # of a name in UTF-8, and so the most tokens that it can be
SIZES = ("small", "medium", "large")
TEMPLATES = {
    "plain": ("{}",),
    # The full stop of the first of each kind, and its lack in the others, are FC-CLIP's (method.md 1.4).
    "vild": (
        "a photo of a {}.",
        "This is a photo of a {}",
        "There is a {} in the scene",
        "There is the {} in the scene",
        "a photo of a {} in the scene",
        *(f"a photo of a {size} {{}}." for size in SIZES),
        *(f"This is a photo of a {size} {{}}." for size in SIZES),
        *(f"There is a {size} {{}} in the scene." for size in SIZES),
    ),
}


def encoded(names: Sequence[str], templates: Sequence[str], encode: Callable[[list[str]], Tensor]) -> Tensor:
    """(r, d) float32 of unit length. encode: sentences to (s, d), of any length."""
    sentences = [template.format(name) for name in names for template in templates]
    rows = [encode(sentences[start : start + BATCH]).float() for start in range(0, len(sentences), BATCH)]
    vectors = F.normalize(torch.cat(rows), dim=-1).unflatten(0, (len(names), len(templates)))
    return F.normalize(vectors.mean(dim=1), dim=-1)


def check_names(names: Sequence[str], templates: Sequence[str], tokenizer: Any, model: str) -> None:
    """Check that the model reads every name whole in every template. Raises NamesTooLong.

    tokenizer: OpenCLIP's, sentences to (s, t) tokens, cut to its context length or to another one that it is given.
    """
    limit = int(tokenizer.context_length)
    filler = tokenizer([""], limit)[0, -1]
    sizes = (tokenizer([template.format("") for template in templates], limit) != filler).sum(dim=1)
    template = templates[int(sizes.argmax())]  # what is whole in the longest is whole in the others

    def tokens(some: Sequence[str], length: int) -> Tensor:
        found: Tensor = tokenizer([template.format(name) for name in some], length)
        return found

    ids = tokens(names, limit + 1)
    long = [names[n] for n in (ids[:, -1] != filler).nonzero()[:, 0].tolist()]
    whole = tokens(long, limit + MOST_BYTES) if long else ids[:0]
    check_read_whole(dict(zip(long, (whole != filler).sum(dim=1).tolist(), strict=True)), limit, model)
    tell_read_alike(dict(zip(names, ids.tolist(), strict=True)), model)


class TextCache:
    """Text vectors of one model in one file; what is not in it is encoded and added. A damaged file is made anew."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / "text" / f"{key}.safetensors"

    def vectors(self, names: Sequence[str], encode: Callable[[list[str]], Tensor]) -> Tensor:
        """(r, d), from the file where it has them. encode: names to (m, d)."""
        known = self._read()
        lacking = [name for name in dict.fromkeys(names) if _key(name) not in known]
        if lacking:
            found = encode(lacking).cpu()
            known |= {_key(name): row.clone() for name, row in zip(lacking, found, strict=True)}
            self._write(known)
        return torch.stack([known[_key(name)] for name in names])

    def _read(self) -> dict[str, Tensor]:
        try:
            return dict(load_file(self.path))
        except (OSError, SafetensorError, ValueError):
            return {}

    def _write(self, known: dict[str, Tensor]) -> None:
        """Whole or not at all; a disk that cannot be written costs time at the next start, not the answer."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(known, temporary)
            temporary.replace(self.path)
        except (OSError, SafetensorError):
            with suppress(OSError):
                temporary.unlink()


def _key(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
