"""Overrule a match by hand: a class of the store, or of the fallback data set, stands for the name from now on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from retclip.data.class_list import vocabulary_of
from retclip.errors import DataError
from retclip.names import MatchKind, name_key
from retclip.progress import OnProgress, silent
from retclip.store.records import ClassMatch
from retclip.store.states import Decision
from retclip.workflows.classes.fill_missing import fetch
from retclip.workflows.classes.fill_report import FILLED, MATCHED, MISSING, FillReport, Outcome, not_over
from retclip.workflows.classes.look_up import Filling


def map_class(
    filling: Filling, query: str, name: str, actor: str, reason: str = "", on_progress: OnProgress = silent
) -> FillReport:
    """Make the class `name` stand for `query`.

    A class of the store goes before one of the fallback data set, whose photos are fetched now. The segments of an
    earlier fill of `query` are taken back.

    query: the name that is asked for.
    name: the class that stands for it.
    actor: who decides.
    reason: why, for the history.

    Raises DataError where neither has the class, or where the store has segments of `query` that no fill made.
    """
    query, name = (vocabulary_of([term]).names[0] for term in (query, name))
    store, threshold = filling.parts.store, filling.naming.matching_threshold
    stored = {stored_class.name: stored_class.aliases for stored_class in store.classes.all() if stored_class.segments}
    matched = _called(name, stored)
    if matched is None:
        return _from_fallback(filling, query, name, list(stored), actor, reason, on_progress)
    store.matches.map_to(query, matched, threshold, actor, reason)
    return FillReport((Outcome(query, MATCHED, matched, how=str(MatchKind.MAP)),), None)


def _from_fallback(
    filling: Filling, query: str, name: str, stored: Sequence[str], actor: str, reason: str, on_progress: OnProgress
) -> FillReport:
    settings, store = filling.parts.settings, filling.parts.store
    address, threshold = settings.fallback.source, filling.naming.matching_threshold
    source = filling.opened(address) if address else None
    fallback_classes = {source_class.name: source_class.synonyms for source_class in source.classes()} if source else {}
    matched = _called(name, fallback_classes)
    if source is None or matched is None:
        raise _nowhere(name, [*stored, *fallback_classes], address)
    new = ClassMatch(
        query, matched, MatchKind.MAP, threshold, source.name, address, decision=Decision.ACCEPTED, decided_by=actor,
        reason=reason,
    )  # fmt: skip
    store.matches.map_to_fallback(new)
    fetched, failures = fetch(filling, [store.matches.decisions().newest[new.key]], {}, on_progress)
    event = store.matches.decisions().newest[new.key].event
    state, now = FILLED if event is not None else MISSING, fetched[new.key]
    reason = not_over(now) if now.elsewhere and event is None else ""
    how = str(MatchKind.MAP)
    outcome = Outcome(query, state, matched, source.name, how, None, now.images, now.segments, event, reason=reason)
    return FillReport((outcome,), None, tuple(failures))


def _called(name: str, classes: Mapping[str, Sequence[str]]) -> str | None:
    """Return the class of a name, or else with that synonym; None without one."""
    key = name_key(name)
    exact = (class_name for class_name in classes if name_key(class_name) == key)
    return next(exact, next((class_name for class_name, more in classes.items() if key in map(name_key, more)), None))


def _nowhere(name: str, names: Sequence[str], address: str) -> DataError:
    near = difflib.get_close_matches(name, names, 3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `retclip class list`"
    place = f"or of {address}" if address else "(no fallback.source is set)"
    return DataError(f"a class of the store {place}", repr(name), hint)
