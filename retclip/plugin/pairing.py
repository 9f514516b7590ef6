"""Whether components fit together, before any of them loads its weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from retclip.errors import ConfigError
from retclip.plugin.contracts import LABELS, LEVELS, NEIGHBOURS, TEXT

LACKING = {TEXT: "which has no text tower", LEVELS: "which has no named feature maps", LABELS: "which names no labels"}


@dataclass(frozen=True)
class Capable:
    """A component by its name, with what it provides and needs."""

    name: str
    provides: Collection[str]
    needs: Collection[str]


def check_pairing(backbone: Capable, components: Sequence[Capable]) -> None:
    """Check that the backbone provides what proposer and classifiers need; neighbours come from the store.

    Raises ConfigError.
    """
    for component in components:
        for need in sorted(set(component.needs) - {NEIGHBOURS} - set(backbone.provides)):
            lacking = LACKING.get(need, f"which does not provide {need!r}")
            todo = "choose another backbone, or leave that component out"
            raise ConfigError(f"a backbone that gives {component.name} its {need}", f"{backbone.name}, {lacking}", todo)


def needs_store(needs: Iterable[frozenset[str]], without_store: bool) -> bool:
    """Return whether classifiers with these needs segment nothing without a store.

    without_store: `segment.without_store`: those that vote with one may be left out, if others remain.
    """
    votes = [NEIGHBOURS in need for need in needs]
    return any(votes) and (all(votes) or not without_store)
