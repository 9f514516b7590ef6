"""`retclip weights list | pull | verify | import`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.listed_weights import how_sure, print_weights
from retclip.errors import ConfigError, DataError
from retclip.progress import Progress

if TYPE_CHECKING:
    from retclip.config import Settings
    from retclip.plugin.weights import Weights

app = typer.Typer(help="Model weights: what there is, where it comes from, whether it is whole.", no_args_is_help=True)
BAD = ("missing", "changed", "another")  # states of a file
Name = Annotated[str, typer.Argument(help="Weights, or a component that needs some.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAMES...", help="Weights, or components that need some.")]


@contextmanager
def _known(
    settings: Iterable[str] | None, config: Path | None, preset: str | None = None
) -> Iterator[tuple[Settings, dict[str, list[Weights]]]]:
    """Weights by name, and by the component that needs them, with the folder of the settings."""
    from retclip.config import find_file, load
    from retclip.plugin.weights import cached_in
    from retclip.session import plugins_of

    chosen_settings = load(
        find_file(None, config), options.Models(preset=preset, settings=list(settings or ())).flags()
    )
    manager = plugins_of(chosen_settings)
    sets: dict[str, list[Weights]] = {name: [weights] for name, weights in manager.published().items()}
    for component, needed in manager.weights(chosen_settings.of_component).items():
        sets[component] = list(needed)
        sets.update({weights.name: [weights] for weights in needed})
    with cached_in(chosen_settings.weights.place):
        yield chosen_settings, sets


def _components(settings: Settings) -> list[str]:
    """Return the components of a preset, for building and for segmenting."""
    section = settings.components
    return [section.backbone, section.keys, section.proposer, settings.build.proposer, *section.classifiers]


def _find(sets: dict[str, list[Weights]], name: str) -> list[Weights]:
    if name in sets:
        return sets[name]
    near = difflib.get_close_matches(name, sets, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see `retclip weights list`"
    raise ConfigError("weights, or a component that needs some", repr(name), hint)


@app.command("list")
def list_weights(
    settings: options.Set = None, config: options.Config = None, json: options.Json = False, wide: options.Wide = False
) -> None:
    """Every set of weights that a component needs as it is set: size, licence, what pins it, whether it is here."""
    with _known(settings, config) as (_, sets):
        every = {weights.name: weights for several in sets.values() for weights in several}
        listed = sorted(every.values(), key=lambda weights: weights.name)
        print_weights(listed, json, wide)


class _TenthByTenth:
    """A line for each tenth of a file that is here."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int]] = set()

    def __call__(self, progress: Progress) -> None:
        if progress.message:
            output.message(progress.message)
            return
        tenth = 10 * progress.done // progress.total if progress.total else 0
        if (progress.task, tenth) not in self._told:
            self._told.add((progress.task, tenth))
            output.message(f"{progress.task}: {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB")


@app.command()
def pull(
    names: Names = None,
    preset: options.Preset = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    revision: Annotated[
        str, typer.Option("--revision", metavar="COMMIT", help="Of weights of which no commit is known to us.")
    ] = "",
    settings: options.Set = None,
    config: options.Config = None,
) -> None:
    """Download weights, or all that a preset's components need; run again, it goes on where it stopped."""
    from retclip.plugin.pins import pin_of
    from retclip.workflows.weights.fetch_weights import pull as fetch

    if not names and not preset:
        raise ConfigError("names of weights or components, or --preset", "neither", "see `retclip weights list`")
    with _known(settings, config, preset) as (chosen_settings, sets):
        requested = list(names or [name for name in _components(chosen_settings) if name in sets])
        for weights in {weights.name: weights for name in requested for weights in _find(sets, name)}.values():
            token = chosen_settings.weights.token.get_secret_value()
            folder = fetch(weights, offline or chosen_settings.weights.offline, token, _TenthByTenth(), revision)
            output.message(f"{weights.name} is in {folder} (licence: {weights.licence}; pinned by {pin_of(weights)})")


@app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="Weights or a component (default: all of which a file is here).")
    ] = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Hold every file to the sha256 written down when it came; exit code 3 where one differs or is missing."""
    from retclip.plugin.weights import is_begun
    from retclip.workflows.weights.verify_weights import verify as check

    with _known(settings, config) as (_, sets):
        every = {weights.name: weights for several in sets.values() for weights in several}
        begun = [weights for weights in every.values() if is_begun(weights)]
        checked = _find(sets, name) if name else begun
        rows = [(weights.name, finding.path, finding.state) for weights in checked for finding in check(weights)]
    if json:
        output.data([dict(zip(("weights", "file", "state"), row, strict=True)) for row in rows])
    else:
        output.table("weights", ("weights", "file", "state"), rows)
    bad = [f"{weights}/{file} is {state}" for weights, file, state in rows if state in BAD]
    if bad:
        raise DataError("every file as it came", ", ".join(bad), "delete those, run `retclip weights pull`")


@app.command("import")
def import_file(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A file that you have.")],
    path: Annotated[str, typer.Option("--as", metavar="NAME", help="Which of several files it is.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Take it instead of other weights that are here.")] = False,
    settings: options.Set = None,
    config: options.Config = None,
) -> None:
    """Take weights from a file; a pickled checkpoint is converted without running code in it."""
    from retclip.workflows.weights.keep_weights import take

    with _known(settings, config) as (_, sets):
        several = _find(sets, name)
        if len(several) != 1:
            raise ConfigError("one set of weights", ", ".join(weights.name for weights in several), "name one of them")
        output.message(f"{name} is in {take(several[0], file, path, replace, _TenthByTenth())}")
        for line in how_sure(several[0]):
            output.message(line)
