"""`retclip init` and `retclip build`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.passed_over import by_reason
from retclip.quantities import quantity

if TYPE_CHECKING:
    from retclip.plugin.checked_source import CheckedSource
    from retclip.progress import OnProgress
    from retclip.session import Components
    from retclip.workflows.building.build_loop import BuildReport

Report = TypeVar("Report")


@dataclass(frozen=True)
class Selection:
    """Which classes of the source."""

    classes: options.Classes = None
    without: Annotated[list[str] | None, typer.Option(help="Leave this class out. Repeatable.")] = None


@dataclass(frozen=True)
class Work:
    """Who does the work."""

    executor: Annotated[str | None, typer.Option(help="Who works: local, or ray.")] = None
    workers: Annotated[int | None, typer.Option(min=0, help="How many (default: one per GPU).")] = None
    retry_failed: options.RetryFailed = False


def init(
    store: Annotated[Path, typer.Argument(help="Folder to make.", **options.VARIABLE)] = options.DEFAULT_STORE,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
) -> None:
    """Make an empty store with a commented retclip.toml, which remembers the preset and the settings given."""
    from retclip.session import Components, store_options
    from retclip.settings_file import lasting, write_settings
    from retclip.store.feature_store import FeatureStore

    flags = options.Models(preset=preset, settings=list(settings or ())).flags()
    components = Components.configured(store, config, flags)
    FeatureStore.create(store, store_options(components.settings)).close()
    write_settings(store, lasting(flags), components.file, components.settings.preset)
    output.message(f"made an empty store in {store}; its settings: {store / 'retclip.toml'}")
    output.message(f"next: retclip class add NAME PHOTOS --crops --store {store}, or retclip build SOURCE the same way")


@options.spread
def build(
    source: Annotated[str, typer.Argument(help="reader:path?split=NAME, e.g. coco-panoptic:data/coco?split=train")],
    setup: options.Setup,
    chosen: Selection,
    work: Work,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate time and size; write nothing.")] = False,
    sample: Annotated[int, typer.Option(min=1, help="Images that a dry run works on.")] = 8,
) -> None:
    """Add a source's labelled segments to the store. Runs again where it was stopped; Ctrl-C is safe."""
    flags = setup.models.flags(
        True, executor=work.executor, workers=work.workers, retry_failed=work.retry_failed or None
    )
    if dry_run:
        from retclip.cli.estimate import estimate

        return estimate(source, setup, flags, (chosen.classes, chosen.without or ()), sample)
    store, photos = setup.store, list["CheckedSource"]()
    required = partial(_required, source=source, photos=photos)
    with options.opened(store, setup.models.config, flags, create=True, required=required) as memory:
        address = photos[0] if photos else source
        report = run_with_progress(lambda line: memory.build(address, chosen.classes, chosen.without or (), line))
        for proposer, count in memory.store.runs.photos_cut_twice(report.run).items():
            kept = f"{count} of these photos have masks of {proposer}, too, and both vote"
            output.message(f"{kept}; to keep one kind: retclip log, retclip undo EVENT --store {store}")
    finish([report], store, setup.models.json)


def _required(components: Components, source: str, photos: list[CheckedSource]) -> None:
    """Refuse what cannot be loaded, and photos without annotation, before a store is made for them.

    photos: gets the opened source.
    """
    from retclip.workflows.building.build_store import UNANNOTATED
    from retclip.workflows.building.source_classes import require_annotation

    components.require(building=True)
    info = components.manager.find("proposer", components.settings.build.proposer)
    photos.append(components.source(source))
    require_annotation(photos[0], source, info.full_name, info.component.provides, UNANNOTATED)


def run_with_progress(action: Callable[[OnProgress], Report]) -> Report:
    """Run a build-like action with a progress line; Ctrl-C says how to go on."""
    with output.told_when_stopped(), ProgressLine() as line:
        return action(line)


def finish(reports: list[BuildReport], store: Path, json: bool) -> None:
    """Print what was stored, list failures, and exit with PartialFailure's code where there are any, with DataError's
    where nothing could be used."""
    failures = [failure for report in reports for failure in report.failures]
    listing = output.write_failures(store / "failures.csv", failures)
    if json:
        output.data([asdict(report) for report in reports] if len(reports) > 1 else asdict(reports[0]))
    for report in reports:
        output.message(
            f"run {report.run}: {report.segments} segments from {report.images} images; "
            f"{report.skipped} images done before, {report.empty} without these classes, "
            f"{report.dropped} masks too small, {len(report.failures)} failed"
            + (f"; {report.elsewhere} are being worked on by another process" if report.elsewhere else "")
            + (f"; passed over: {by_reason(report.passed_over)}" if report.passed_over else "")
        )
        if report.displaced:
            gave_way = quantity(report.displaced, "segment")
            output.message(f"{gave_way} stored before gave way: these are of the same photos and classes")
        output.say_assumed(report.assumed)
    output.require_usable(failures, f"see {listing}", any(report.images or report.skipped for report in reports))
