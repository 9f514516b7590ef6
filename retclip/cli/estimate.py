"""`retclip build --dry-run`: what there is to do, and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.errors import DataError, PartialFailure, StoreError, StoreMissing
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.workflows.building.estimate_build import Estimate


def estimate(
    source: str, setup: options.Setup, flags: dict[str, Any], chosen: tuple[str | None, Sequence[str]], sample: int
) -> None:
    """Print the estimate. chosen: classes, and those to leave out. Raises DataError where no image can be used,
    PartialFailure where some cannot."""
    stopped = output.told_when_stopped("stopped; nothing was written")
    with stopped, _opened(setup.store, setup.models.config, flags) as memory, ProgressLine() as line:
        estimate = memory.estimate(source, *chosen, sample=sample, on_progress=line)
        workers = memory.settings.build.workers
    if setup.models.json:
        output.data(asdict(estimate))
    else:
        output.table(f"build of {source}", ("what", "how much"), _rows(estimate, workers))
        if estimate.passed_over:
            output.message(f"passed over: {by_reason(estimate.passed_over)}")
    if estimate.failures:
        kind = PartialFailure if estimate.todo or estimate.finished else DataError
        todo = "repair or remove them; nothing was written"
        raise kind(
            "every input to be usable", f"{len(estimate.failures)} that are not, first {estimate.failures[0]}", todo
        )


def _opened(store: Path, config: Path | None, flags: dict[str, Any]) -> RetCLIP:
    """Return the store, or none where there is none yet: a dry run makes none."""
    from retclip.engine import RetCLIP
    from retclip.session import Components, Session

    components = Components.configured(store, config, flags)
    try:
        return RetCLIP(Session.open(store, components))
    except StoreMissing:
        if store.exists() and not store.is_dir():
            raise StoreError(f"a folder, or nothing yet, at {store}", "a file", "choose another place") from None
        return RetCLIP(Session(components))


def _rows(estimate: Estimate, workers: int) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("images", estimate.total), ("to do", estimate.todo), ("done before", estimate.finished),
        ("without these classes", estimate.empty), ("unusable", len(estimate.failures)), ("tried", estimate.sampled),
    ]  # fmt: skip
    if not estimate.sampled:
        return rows
    rows += [
        ("seconds an image", f"{estimate.seconds_per_image:.3g}"),
        ("time, one worker", timedelta(seconds=round(estimate.seconds))),
    ]
    if workers > 1:
        rows.append((f"time, {workers} workers on a device each", timedelta(seconds=round(estimate.seconds / workers))))
    sizes = {"archive": estimate.archive_bytes, "catalog": estimate.catalog_bytes, "index": estimate.index_bytes}
    return [*rows, ("segments", estimate.segments), *((name, f"{size / 1e6:,.1f} MB") for name, size in sizes.items())]
