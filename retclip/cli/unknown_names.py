"""Says which of the names that were asked for nobody can give a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from retclip.cli import output
from retclip.names import MatchKind

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.contracts import Classifier
    from retclip.workflows.segment.parts import Loaded, PreparedVocabulary

SHOWN = 5


def named_without_store(memory: RetCLIP, prepared: PreparedVocabulary) -> dict[str, str]:
    """Return of each class that a classifier scores by its name, without the store, that classifier."""
    from retclip.types import Role

    readers: dict[str, str] = {}
    for classifier in memory.session.segmenter().classifiers:
        if classifier.component.role is Role.CLIP:
            passed = {*(_unknown(classifier, prepared) or {}), *readers}
            readers |= {name: classifier.name for name in prepared.vocabulary.names if name not in passed}
    return readers


def say_unknown(memory: RetCLIP, prepared: PreparedVocabulary) -> None:
    """Say which classes no classifier knows, and why, where a classifier can say it (`unknown`)."""
    from retclip.plugin.contracts import NEIGHBOURS

    lacking = {match.name for match in prepared.matches if match.how is MatchKind.MISSING}
    reasons: dict[str, str] = {}
    classifiers = memory.session.segmenter().classifiers
    for classifier in classifiers:
        if NEIGHBOURS in classifier.needs:
            continue
        unknown = _unknown(classifier, prepared)
        if unknown is None:
            return  # it reads any name
        lacking &= unknown.keys()
        reasons |= {name: f"{classifier.name}: {reason}" for name, reason in unknown.items()}
    voters = any(NEIGHBOURS in classifier.needs for classifier in classifiers)
    if not reasons:
        return
    todo = "add some to the store: retclip class add" if voters else "only a store can teach it: --preset photos"
    nameless = [name for name in prepared.vocabulary.names if name in lacking]
    for name in nameless[:SHOWN]:
        output.message(f"note: nothing will be called {name!r} ({reasons[name]}); {todo}")
    if nameless[SHOWN:]:
        output.message(f"note: nor any of {len(nameless) - SHOWN} other names")


def _unknown(classifier: Loaded[Classifier], prepared: PreparedVocabulary) -> Mapping[str, str] | None:
    """Return of each class that a classifier abstains for the reason; None where it reads any name."""
    from retclip.plugin.calls import at_work

    unknown = getattr(classifier.component, "unknown", None)
    if unknown is None:
        return None
    with at_work(classifier.name, "say which names it does not know"):
        reasons: Mapping[str, str] = unknown(prepared.vocabulary)
    return reasons
