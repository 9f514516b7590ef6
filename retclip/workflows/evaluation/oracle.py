"""Oracles: the parts of the system that an evaluation takes from the truth, to say what each of them costs.

masks       the annotation's masks go through our backbone and classifiers; a true mask is always an object
labels      our masks, each with the class that most of its annotated pixels show
selection   of our masks with our labels the best subset, each pixel given to the chosen mask that is right more often

Several together are written with +: `masks+labels` says what is left when every part is perfect (the grid on which
masks are merged), `labels+selection` what the proposed masks allow at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from retclip.errors import ConfigError

ALL = "all"


@dataclass(frozen=True)
class Oracle:
    """Which parts come from the truth."""

    masks: bool = False
    labels: bool = False
    selection: bool = False

    @property
    def name(self) -> str:
        """The parts, joined by +."""
        return "+".join(part for part in PARTS if getattr(self, part))


PARTS = tuple(part.name for part in fields(Oracle))
EACH = (
    Oracle(masks=True), Oracle(labels=True), Oracle(selection=True), Oracle(masks=True, labels=True),
    Oracle(labels=True, selection=True),
)  # fmt: skip


def oracles_of(names: str | Iterable[str]) -> tuple[Oracle, ...]:
    """Return the oracles of that names, each once, in the order of EACH.

    names: a comma list, or several, of `masks`, `labels`, `selection`, of several with +, or `all` for EACH.
    Raises ConfigError for another word.
    """
    chosen: dict[Oracle, None] = {}
    lists = [names] if isinstance(names, str) else names
    for name in (part.strip() for text in lists for part in text.split(",")):
        words = [word.strip() for word in name.split("+")]
        if name == ALL:
            chosen |= dict.fromkeys(EACH)
        elif words and set(words) <= set(PARTS):
            chosen[Oracle(**dict.fromkeys(words, True))] = None
        else:
            todo = f"name some of {', '.join(oracle.name for oracle in EACH)}, or {ALL}"
            raise ConfigError(f"parts of the system, of {', '.join(PARTS)}", repr(name), todo)
    return tuple(sorted(chosen, key=lambda oracle: (oracle.name.count("+"), [not getattr(oracle, p) for p in PARTS])))
