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
    """Match every name, fetch the classes that the store lacks and `fallback.source` has, and report each name.

    again: look up once more the names that were missing, or have no segments any more.

    Raises ConfigError without names, DataError for a source without classes, SpaceMismatch, StoreBusy, PluginError;
    Ctrl-C commits finished images first.
    """
    if vocabulary is None:
        raise ConfigError("the names of the classes to look for", "none", "name them: --classes 'sky, car'")
    filling = replace(filling, opened=cache(filling.opened))
    before = prepare(filling.naming, vocabulary)
    look_up(filling, before, again)
    newest = filling.parts.store.matches.decisions().newest
    kinds = {name_key(name): is_thing for name, is_thing in zip(vocabulary.names, vocabulary.is_thing, strict=True)}
    todo = [match for key in kinds if (match := newest.get(key)) and match.is_fill and match.event is None]
    fetched, failures = fetch(filling, todo, kinds, on_progress)
    after = prepare(filling.naming, vocabulary) if fetched else before
    decisions, compared = filling.parts.store.matches.decisions(), compares_text(filling.naming, after.vocabulary)
    outcomes = tuple(outcome(match, decisions, compared, fetched) for match in after.matches)
    return FillReport(outcomes, filling.naming.matching_threshold if compared else None, tuple(failures))


def fetch(
    filling: Filling,
    todo: Sequence[ClassMatch],
    kinds: Mapping[str, bool | None],
    on_progress: OnProgress = silent,
) -> tuple[dict[str, BuildReport], list[Failure]]:
    """Carry out the matches of a fill.

    kinds: whether a class is countable, by the name's key; None = the data set decides.

    Returns the report of each match by the name's key, and the photos that could not be used.
    """
    fetched, failures = dict[str, BuildReport](), list[Failure]()
    for address in dict.fromkeys(match.source for match in todo):
        matches = [match for match in todo if match.source == address]
        source = filling.opened(address)
        classes = {match.query: class_of(source, match.matched, address) for match in matches}
        most = filling.parts.settings.fallback.max_images
        shown = records_showing(source, {source_class.name for source_class in classes.values()}, most)
        for match in matches:
            source_class, is_thing = classes[match.query], kinds.get(match.key)
            is_thing = source_class.is_thing if is_thing is None else is_thing
            report, _ = fill_class(filling.parts, match, source, is_thing, shown[source_class.name], on_progress)
            fetched[match.key] = report
            failures += report.failures
    return fetched, failures


def class_of(source: ImageSource, name: str, address: str) -> SourceClass:
    """Return the source's class of a name. Raises DataError, with the nearest name, where it has none."""
    (found_name,) = source_names(source, [name], address)
    return next(source_class for source_class in source.classes() if source_class.name == found_name)
