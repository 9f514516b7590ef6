"""Fetch one class from the fallback data set and store it under the user's name: the walk of `class add`, with a limit
on images, and one event at the end.

Stopped anywhere, it goes on with the same decision: what is finished is not fetched again, and the event names the
segments of every run. Several processes may carry out the same fill: none ends it while another works on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.store.classes import fills
from retclip.store.classes.class_matches import ClassMatch
from retclip.store.classes.match_edits import end_fill
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.build_store import build_store
from retclip.workflows.classes.one_class import OneClass
from retclip.workflows.segment.parts import Parts

LOOK_EVERY = 4  # images between two looks whether there are enough segments


def fill_class(
    parts: Parts,
    match: ClassMatch,
    is_thing: bool | None,
    records: Sequence[SourceImage],
    on_progress: Callable[[BuildReport], None] = lambda _: None,
) -> tuple[BuildReport, int | None]:
    """Store the segments of those photos that show `match.matched` as `match.query`, until there are
    `fallback.enough_segments`. Returns the report and the number of the event; None where the fill has not ended: no
    photo could be used, or another process works on some (the next fill tries again); or where it was overruled
    meanwhile, then what it stored is taken back. Raises SpaceMismatch, StoreBusy, PluginError; Ctrl-C commits what is
    done first."""
    earlier = parts.store.fill_runs(match)
    enough, stored = parts.settings.fallback.enough_segments, [earlier.segments]
    shown = SourceClass(match.query, is_thing)
    source = OneClass(match.dataset, match.matched, shown, records, lambda: stored[0] >= enough)

    def count(report: BuildReport) -> None:
        stored[0] = earlier.segments + report.segments
        on_progress(report)

    note = fills.note(match, earlier.before)
    report = build_store(_looking_often(parts), source, match.source, [match.query], fills.KIND, count, note=note)
    if report.elsewhere or (report.failures and not stored[0]):
        return report, None
    told = {"images": report.images + report.skipped}
    return report, parts.store.edit(lambda connection: end_fill(connection, match, told))


def _looking_often(parts: Parts) -> Parts:
    build = parts.settings.build
    often = build.model_copy(update={"commit_images": min(build.commit_images, LOOK_EVERY)})
    return replace(parts, settings=parts.settings.model_copy(update={"build": often}))
