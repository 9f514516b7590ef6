"""Fetch one class from the fallback data set and store it under the user's name: the walk of `class add`, with a limit
on images, and one event at the end.

Stopped anywhere, it goes on with the same decision: what is finished is not fetched again, and every run of it speaks
under the same event. Several processes may carry out the same fill: none ends it while another works on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage
from retclip.progress import OnProgress, silent
from retclip.store.records import ClassMatch
from retclip.store.states import RunKind
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.build_store import Purpose, begin_build, carry_out
from retclip.workflows.classes.one_class import one_class
from retclip.workflows.segment.parts import Parts

LOOK_EVERY = 4  # images between two looks whether there are enough segments


def fill_class(
    parts: Parts,
    match: ClassMatch,
    source: ImageSource,
    is_thing: bool | None,
    records: Sequence[SourceImage],
    on_progress: OnProgress = silent,
) -> tuple[BuildReport, int | None]:
    """Store the segments of the photos of `match.matched` as `match.query`, until there are `fallback.enough_segments`.

    source: the fallback data set.
    is_thing: whether the class is countable; None = nobody knows.
    records: the source's photos of the class.

    Returns the report and the number of the event. The number is None where the fill has not ended, because no photo
    could be used or another process works on some (the next fill tries again), and where the match was overruled
    meanwhile, which takes back its segments.

    Raises SpaceMismatch, StoreBusy, PluginError; Ctrl-C commits finished images first.
    """
    earlier, enough = parts.store.matches.fill_runs(match), parts.settings.fallback.enough_segments

    def stored() -> int:
        return earlier.segments + loop.report.segments

    shown = SourceClass(match.query, is_thing)
    photos = one_class(source, match.matched, shown, records, lambda: stored() >= enough)
    purpose = Purpose(RunKind.CLASS_FILL, f"fill {match.query}", parts.store.matches.note_of_fill(match))
    loop = begin_build(_looking_often(parts), photos, match.source, [match.query], purpose)
    report = carry_out(loop, on_progress)
    if report.elsewhere or (report.failures and not stored()):
        return report, None
    return report, parts.store.matches.end_fill(match)


def _looking_often(parts: Parts) -> Parts:
    build = parts.settings.build
    often = build.model_copy(update={"commit_images": min(build.commit_images, LOOK_EVERY)})
    return replace(parts, settings=parts.settings.model_copy(update={"build": often}))
