"""Walk 4, missing classes (paper, section 2.2): what the store lacks is fetched from the fallback data set.

    exact name -> synonym -> text above 0.95 in the store -> the same in the fallback data set -> `class add` of its
    images under the user's name; below: missing, and what was nearest

Every decision is a row of `class_match` (`look_up`). What was decided is not asked again: a second run opens no data
set and fetches nothing, one that was stopped in the middle goes on. Nothing is filled unless somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from retclip.errors import ConfigError
from retclip.names import name_key
from retclip.plugin.contracts import ImageSource, SourceClass
from retclip.progress import OnProgress, silent
from retclip.store.records import ClassMatch, Failure
from retclip.types import Vocabulary
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.source_classes import source_names
from retclip.workflows.classes.fill_class import fill_class
from retclip.workflows.classes.fill_report import FillReport, outcome
from retclip.workflows.classes.look_up import Filling, look_up
from retclip.workflows.classes.one_class import records_showing
from retclip.workflows.segment.vocabulary import compares_text, prepare

__all__ = ["Filling", "fill_missing"]


def fill_missing(
    filling: Filling, vocabulary: Vocabulary | None, again: bool = False, on_progress: OnProgress = silent
) -> FillReport:
    """Match every name, fetch what the store lacks and `fallback.source` has, and say what became of each name.

    again: ask once more for what was found missing, or has no segments any more. Raises ConfigError without names,
    DataError for a source without classes, SpaceMismatch, StoreBusy, PluginError; on Ctrl-C what is done is committed.
    """
    if vocabulary is None:
        raise ConfigError("the names of the classes to look for", "none", "name them: --classes 'sky, car'")
    filling = replace(filling, opened=cache(filling.opened))
    before = prepare(filling.naming, vocabulary)
    look_up(filling, before, again)
    newest = filling.parts.store.matches.decisions().newest
    things = {name_key(name): thing for name, thing in zip(vocabulary.names, vocabulary.is_thing, strict=True)}
    todo = [one for key in things if (one := newest.get(key)) and one.is_fill and one.event is None]
    fetched, failures = fetch(filling, todo, things, on_progress)
    after = prepare(filling.naming, vocabulary) if fetched else before
    decisions, compared = filling.parts.store.matches.decisions(), compares_text(filling.naming, after.vocabulary)
    told = tuple(outcome(one, decisions, compared, fetched) for one in after.matches)
    return FillReport(told, filling.naming.matching_threshold if compared else None, tuple(failures))


def fetch(
    filling: Filling,
    todo: Sequence[ClassMatch],
    things: Mapping[str, bool | None],
    on_progress: OnProgress = silent,
) -> tuple[dict[str, BuildReport], list[Failure]]:
    """Carry out what was decided: by the name's key what came of it, and the photos that could not be used. things: by
    the name's key whether the class is countable; where nobody says, the data set does."""
    fetched, failures = dict[str, BuildReport](), list[Failure]()
    for address in dict.fromkeys(one.source for one in todo):
        mine = [one for one in todo if one.source == address]
        source = filling.opened(address)
        theirs = {one.query: class_of(source, one.matched, address) for one in mine}
        most = filling.parts.settings.fallback.max_images
        shown = records_showing(source, {one.name for one in theirs.values()}, most)
        for one in mine:
            found, thing = theirs[one.query], things.get(one.key)
            thing = found.is_thing if thing is None else thing
            report, _ = fill_class(filling.parts, one, source, thing, shown[found.name], on_progress)
            fetched[one.key] = report
            failures += report.failures
    return fetched, failures


def class_of(source: ImageSource, name: str, address: str) -> SourceClass:
    """The source's class of that name. Raises DataError where it is not there, naming the nearest."""
    (found,) = source_names(source, [name], address)
    return next(one for one in source.classes() if one.name == found)
