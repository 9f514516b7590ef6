"""Text vectors of class names by FC-CLIP's prompt ensembling (method.md 1.4).

Every name is put into 14 templates; each sentence's vector is normalised, and their mean is normalised again. Every
name and synonym is a row of its own, and a class scores the best of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
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
    """Return (r, d) float32 of unit length, a row per name.

    encode: maps s sentences to vectors (s, d) of any length.
    """
    sentences = [template.format(name) for name in names for template in templates]
    rows = [encode(sentences[start : start + BATCH]).float() for start in range(0, len(sentences), BATCH)]
    vectors = F.normalize(torch.cat(rows), dim=-1).unflatten(0, (len(names), len(templates)))  # (r, templates, d)
    return F.normalize(vectors.mean(dim=1), dim=-1)  # (r, d)


def check_names(names: Sequence[str], templates: Sequence[str], tokenizer: Any, model: str) -> None:
    """Check that the model reads every name whole in every template. Raises NamesTooLong.

    tokenizer: OpenCLIP's, sentences to (s, t) tokens, cut to its context length or to another one that it is given.
    """
    limit = int(tokenizer.context_length)
    filler = tokenizer([""], limit)[0, -1]
    sizes = (tokenizer([template.format("") for template in templates], limit) != filler).sum(dim=1)
    template = templates[int(sizes.argmax())]  # what is whole in the longest is whole in the others

    def tokens(batch: Sequence[str], length: int) -> Tensor:
        ids: Tensor = tokenizer([template.format(name) for name in batch], length)
        return ids

    ids = tokens(names, limit + 1)
    long = [names[n] for n in (ids[:, -1] != filler).nonzero()[:, 0].tolist()]
    longer_ids = tokens(long, limit + MOST_BYTES) if long else ids[:0]
    check_read_whole(dict(zip(long, (longer_ids != filler).sum(dim=1).tolist(), strict=True)), limit, model)
    tell_read_alike(dict(zip(names, ids.tolist(), strict=True)), model)
