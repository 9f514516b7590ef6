"""`memory.tune`: whose settings are chosen, by which photos, and what is written of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip import config
from retclip.data.inputs import Classes as Names
from retclip.data.inputs import as_vocabulary
from retclip.errors import ConfigError
from retclip.namespaces import Source, opened
from retclip.own_files import claim_folder, require_own_folder, write_json, written_whole
from retclip.progress import OnProgress, Progress
from retclip.session import Components
from retclip.settings_file import lasting, settings_text

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier
    from retclip.session import Session
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.segment.parts import Loaded
    from retclip.workflows.tuning.grid import Axis
    from retclip.workflows.tuning.trials import ClassifierWith
    from retclip.workflows.tuning.tuning_report import TuningReport

KIND, RUN, SETTINGS, TABLE, SURFACE = "tuning", "run.json", "settings.toml", "settings.csv", "surface"


@dataclass(frozen=True)
class TuningRequest:
    """What is to be tuned.

    grid: as `RetCLIP.tune` takes it.
    figure: that is to be as high as can be.
    trials: settings that Optuna tries; None = the whole grid is tried.
    seed: of Optuna's search.
    seen: the classes that the fine-tuning saw; None = the in-vocabulary classifier's.
    bits: of 128 in which the hashes of photos may differ that are taken for the same one.
    bootstrap: of the held-out figures; None = 1,000 drawings of seed 0.
    """

    grid: str | Sequence[str] | Mapping[str, Any] | PathLike[str] = ()
    figure: str = "pq"
    trials: int | None = None
    seed: int = 0
    seen: Names = None
    bits: int = 24
    bootstrap: Bootstrap | None = None


def tune(
    session: Session, source: Source, held_out: Source, folder: Path, request: TuningRequest, on_progress: OnProgress
) -> TuningReport:
    """Choose settings and write what came of it; see `RetCLIP.tune`."""
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.tuning.search import OptunaSearch
    from retclip.workflows.tuning.tune import TuningJob, check_figure
    from retclip.workflows.tuning.tune import tune as tuned

    require_own_folder(folder, KIND)  # before the work, not after it
    check_figure(request.figure)
    axes = _axes(request.grid)
    if request.trials is not None and request.trials < 1:
        raise ConfigError("at least one trial", f"{request.trials}", "write e.g. --trials 200")
    search = None if request.trials is None else OptunaSearch(request.trials, request.seed)
    parts = session.segmenter()  # what is missing is told before a source is read
    job = TuningJob(
        opened(session, source), opened(session, held_out), folder, axes, request.figure, search,
        as_vocabulary(request.seen), request.bits, request.bootstrap or Bootstrap(),
    )  # fmt: skip
    claim_folder(folder, KIND)
    report = tuned(parts, job, classifier_with(session.components), on_progress)
    _write(report, folder, session, on_progress)
    return report


def _axes(grid: str | Sequence[str] | Mapping[str, Any] | PathLike[str]) -> tuple[Axis, ...]:
    """Return what is tried; a text without "=" is a file. Raises ConfigError."""
    from retclip.workflows.tuning.grid import axes_of, axes_of_table

    if isinstance(grid, Mapping):
        return axes_of_table(grid)
    if isinstance(grid, PathLike) or (isinstance(grid, str) and "=" not in grid):
        return axes_of((), Path(grid))
    return axes_of([grid] if isinstance(grid, str) else grid)


def classifier_with(components: Components) -> ClassifierWith:
    """Return what loads a classifier with other settings of its own."""

    def load(name: str, values: Mapping[str, Any]) -> Loaded[Classifier]:
        if values == components.settings.of_component(name):
            return components.component("classifier", name)
        plugin, _, component = name.partition(".")
        tables = {**components.settings.plugin}
        tables[plugin] = {**tables.get(plugin, {}), component: dict(values)}
        other = Components(components.settings.model_copy(update={"plugin": tables}), components.given, components.file)
        other.manager = components.manager
        return other.component("classifier", name)

    return load


def _write(report: TuningReport, folder: Path, session: Session, on_progress: OnProgress) -> None:
    """Write run.json, the settings, the table, and the surface where it can be drawn."""
    from retclip.workflows.evaluation.run_folder import circumstances

    document = {
        "format": "retclip-tuning", "version": 1, **report.as_dict(),
        "circumstances": circumstances(),
    }  # fmt: skip
    write_json(folder / RUN, document)
    with written_whole(folder / SETTINGS) as temporary:
        temporary.write_text(settings_text(chosen_settings(report, session.components)), encoding="utf-8")
    for name in unsaid(report, folder / SETTINGS):
        words = f"{SETTINGS} cannot say that {name} is none: the preset has a number there"
        on_progress(Progress("write", message=words))
    with written_whole(folder / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        _write_table(report, csv.writer(file))
    from retclip.report.tuning_surface import write_surface

    try:
        write_surface(folder / SURFACE, report)
    except ConfigError as error:  # the work is done, and the table holds what the picture shows
        on_progress(Progress("write", message=f"no picture of the figures: {error.got}; {error.todo}"))


def chosen_settings(report: TuningReport, components: Components) -> dict[str, Any]:
    """Return all settings to work with as tables: those in effect that last, with the chosen ones above them."""
    written = config.read_file(components.file) if components.file else {}
    in_effect = config.merged(written, lasting(components.given))
    return _without_none(config.merged({**in_effect, "preset": components.settings.preset}, report.settings))


def unsaid(report: TuningReport, written: Path) -> list[str]:
    """Return the chosen settings that a settings file does not give back: none, where a preset has a number.

    written: the file.
    """
    loaded, names = config.load(written, None), list[str]()
    for plugin, parts in report.settings.get("plugin", {}).items():
        for name, values in parts.items():
            kept = loaded.of_component(f"{plugin}.{name}")
            names += [f"plugin.{plugin}.{name}.{key}" for key, entry in values.items() if kept.get(key) != entry]
    return names


def _without_none(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables without what TOML has no word for: none is what stands there where nothing does."""
    return {
        key: _without_none(entry) if isinstance(entry, Mapping) else entry
        for key, entry in tables.items()
        if entry is not None
    }


def _write_table(report: TuningReport, writer: Any) -> None:
    rows = (report.as_set, *report.tried)
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    figures = list(report.as_set.figures)
    writer.writerow([*names, *figures])
    for row in rows:
        writer.writerow([*(_cell(row.values.get(name, "")) for name in names), *(row.figures[key] for key in figures)])


def _cell(entry: Any) -> Any:
    return "none" if entry is None else entry
