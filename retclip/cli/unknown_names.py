"""Says which of the names that were asked for nobody can give a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retclip.cli import output
from retclip.names import MatchKind

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.workflows.segment.parts import PreparedVocabulary

SHOWN = 5


def say_unknown(memory: RetCLIP, prepared: PreparedVocabulary) -> None:
    """Say which classes no classifier knows, and why, where a classifier can say it (`unknown`)."""
    from retclip.plugin.calls import at_work
    from retclip.plugin.contracts import NEIGHBOURS

    lacking = {match.name for match in prepared.matches if match.how is MatchKind.MISSING}
    reasons: dict[str, str] = {}
    classifiers = memory.session.segmenter().classifiers
    for classifier in classifiers:
        if NEIGHBOURS in classifier.needs:
            continue
        unknown = getattr(classifier.component, "unknown", None)
        if unknown is None:
            return  # it reads any name
        with at_work(classifier.name, "say which names it does not know"):
            told = unknown(prepared.vocabulary)
        lacking &= told.keys()
        reasons |= {name: f"{classifier.name}: {reason}" for name, reason in told.items()}
    voters = any(NEIGHBOURS in classifier.needs for classifier in classifiers)
    if not reasons:
        return
    todo = "add some to the store: retclip class add" if voters else "only a store can teach it: --preset photos"
    nameless = [name for name in prepared.vocabulary.names if name in lacking]
    for name in nameless[:SHOWN]:
        output.message(f"note: nothing will be called {name!r} ({reasons[name]}); {todo}")
    if nameless[SHOWN:]:
        output.message(f"note: nor any of {len(nameless) - SHOWN} other names")
