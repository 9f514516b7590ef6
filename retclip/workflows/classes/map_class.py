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
    """The class `name` stands for `query`. One of the store goes before one of the fallback data set, whose photos are
    fetched now. What an earlier fill stored under the name is taken back.

    Raises DataError where neither has the class, or where the store has segments of `query` that no fill made.
    """
    query, name = (vocabulary_of([one]).names[0] for one in (query, name))
    store, threshold = filling.parts.store, filling.naming.matching_threshold
    stored = {one.name: one.aliases for one in store.classes.all() if one.segments}
    found = _called(name, stored)
    if found is None:
        return _from_fallback(filling, query, name, list(stored), actor, reason, on_progress)
    store.matches.map_to(query, found, threshold, actor, reason)
    return FillReport((Outcome(query, MATCHED, found, how=str(MatchKind.MAP)),), None)


def _from_fallback(
    filling: Filling, query: str, name: str, stored: Sequence[str], actor: str, reason: str, on_progress: OnProgress
) -> FillReport:
    settings, store = filling.parts.settings, filling.parts.store
    address, threshold = settings.fallback.source, filling.naming.matching_threshold
    source = filling.opened(address) if address else None
    known = {one.name: one.synonyms for one in source.classes()} if source else {}
    theirs = _called(name, known)
    if source is None or theirs is None:
        raise _nowhere(name, [*stored, *known], address)
    new = ClassMatch(
        query, theirs, MatchKind.MAP, threshold, source.name, address, decision=Decision.ACCEPTED, decided_by=actor,
        reason=reason,
    )  # fmt: skip
    store.matches.map_to_fallback(new)
    fetched, failures = fetch(filling, [store.matches.decisions().newest[new.key]], {}, on_progress)
    event = store.matches.decisions().newest[new.key].event
    state, now = FILLED if event is not None else MISSING, fetched[new.key]
    reason = not_over(now) if now.elsewhere and event is None else ""
    how = str(MatchKind.MAP)
    told = Outcome(query, state, theirs, source.name, how, None, now.images, now.segments, event, reason=reason)
    return FillReport((told,), None, tuple(failures))


def _called(name: str, classes: Mapping[str, Sequence[str]]) -> str | None:
    """The class of that name, or else with that synonym."""
    key = name_key(name)
    exact = (one for one in classes if name_key(one) == key)
    return next(exact, next((one for one, more in classes.items() if key in map(name_key, more)), None))


def _nowhere(name: str, known: Sequence[str], address: str) -> DataError:
    near = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `retclip class list`"
    place = f"or of {address}" if address else "(no fallback.source is set)"
    return DataError(f"a class of the store {place}", repr(name), hint)
