"""`retclip init` and `retclip build`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from retclip.cli import options, output
from retclip.cli.chosen_names import chosen_names
from retclip.cli.progress import ProgressLine
from retclip.errors import DataError, PartialFailure
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.components import Components
    from retclip.progress import OnProgress
    from retclip.workflows.building.build_loop import BuildReport

Report = TypeVar("Report")


def init(
    store: Annotated[Path, typer.Argument(help="Folder to make.", **options.VARIABLE)] = options.DEFAULT_STORE,
    config: options.Config = None,
) -> None:
    """Make an empty store with a commented retclip.toml."""
    from retclip.cli.settings_file import write_settings
    from retclip.config import find_file, load
    from retclip.opening import store_options
    from retclip.store.feature_store import FeatureStore

    base = find_file(store, config)
    FeatureStore.create(store, store_options(load(base))).close()
    write_settings(store, {}, base)
    output.message(f"made an empty store in {store}; its settings: {store / 'retclip.toml'}")
    output.message(f"next: retclip class add NAME PHOTOS --crops --store {store}, or retclip build SOURCE the same way")


def build(
    source: Annotated[str, typer.Argument(help="reader:path?split=NAME, e.g. coco-panoptic:data/coco?split=train")],
    store: options.Store = options.DEFAULT_STORE,
    classes: Annotated[str | None, typer.Option(help="Only these: a comma list or a file.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave this class out. Repeatable.")] = None,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    preset: options.Preset = None,
    executor: Annotated[str | None, typer.Option(help="Who works: local, or ray.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="How many (default: one per GPU).")] = None,
    retry_failed: options.RetryFailed = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate time and size; write nothing.")] = False,
    sample: Annotated[int, typer.Option(min=1, help="Images that a dry run works on.")] = 8,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Add a source's labelled segments to the store. Runs again where it was stopped; Ctrl-C is safe."""
    from retclip.config import find_file

    given = options.flags(
        settings, preset, backbone, proposer, None, True, executor=executor, workers=workers, retry_failed=retry_failed
    )
    if dry_run:
        from retclip.cli.estimate import estimate

        return estimate(source, store, config, given, (classes, without), sample, json)
    base = find_file(store, config)  # asked before the store has a file of its own
    with options.opened(store, config, given, create=True, required=partial(_required, source=source)) as retclip:
        retclip.parts_to_build()  # what cannot be loaded or read must not be written down
        names = chosen_names(retclip, source, classes, without)
        if retclip.store.spaces.first() is None:  # later commands must find what the vectors were made with
            from retclip.cli.settings_file import write_settings

            earlier = write_settings(store, lasting(given), base)
            if earlier:
                output.message(f"wrote these settings into {store / 'retclip.toml'}; as it was: {earlier.name}")
        report = run_with_progress(lambda line: retclip.build(source, names, line))
    finish([report], store, json)


def _required(components: Components, source: str) -> None:
    """What is told before a store is made for it: what cannot be loaded, and photos that nobody annotated."""
    from retclip.data.source_address import is_plain
    from retclip.workflows.building.build_store import UNANNOTATED
    from retclip.workflows.building.source_classes import require_annotation

    components.require(building=True)
    if is_plain(source):
        info = components.manager.find("proposer", components.settings.build.proposer)
        photos, provides = components.source(source), info.component.provides
        require_annotation(photos, source, info.full_name, provides, UNANNOTATED)


def lasting(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings those that the store is to remember: what its vectors and masks were made with, not by how many
    processes, on which device and at which attempt that was."""
    kept = {name: section for name, section in given.items() if name != "device"}
    of_machine = ("executor", "workers", "ray_address", "retry_failed")
    build = {key: value for key, value in given.get("build", {}).items() if key not in of_machine}
    return {**kept, **({"build": build} if "build" in given else {})}


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
        output.data([_as_dict(report) for report in reports] if len(reports) > 1 else _as_dict(reports[0]))
    for report in reports:
        output.message(
            f"run {report.run}: {report.segments} segments from {report.images} images; "
            f"{report.skipped} images done before, {report.empty} without these classes, "
            f"{report.dropped} masks too small, {len(report.failures)} failed"
            + (f"; {report.elsewhere} are being worked on by another process" if report.elsewhere else "")
            + (f"; passed over: {by_reason(report.passed_over)}" if report.passed_over else "")
        )
        output.say_assumed(report.assumed)
    if failures:
        kind = PartialFailure if any(one.images or one.skipped for one in reports) else DataError
        raise kind(
            "every input to be usable",
            f"{len(failures)} failures, first {failures[0]}",
            f"see {listing}",
        )


def _as_dict(report: BuildReport) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(report)
