"""Options that many commands share, and how they become settings. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import output

if TYPE_CHECKING:
    from retclip.components import Components
    from retclip.engine import RetCLIP

DEFAULT_STORE = Path("retclip-store")


def store_or_variable(context: typer.Context, parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """A store that is not named: the folder of RETCLIP_STORE, in whatever case the variable is written."""
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name != "DEFAULT":
        return value
    from retclip.environment import STORE, variable

    named = variable(STORE)
    return Path(named) if named else value


VARIABLE: dict[str, Any] = {"envvar": "RETCLIP_STORE", "callback": store_or_variable}
Store = Annotated[Path, typer.Option("--store", "-s", metavar="DIR", help="Folder of the feature store.", **VARIABLE)]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A retclip.toml (default: the store's).")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. retrieval.k=16.")]
Preset = Annotated[str | None, typer.Option("--preset", help="A named set of settings.")]
Backbone = Annotated[str | None, typer.Option("--backbone", metavar="NAME", help="Backbone component.")]
Proposer = Annotated[str | None, typer.Option("--proposer", metavar="NAME", help="Mask proposer component.")]
Classifiers = Annotated[list[str] | None, typer.Option("--classifier", metavar="NAME", help="Repeatable.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Also images that failed five times.")]
Wide = Annotated[bool, typer.Option("--wide", help="Every column, however narrow the terminal is.")]
Json = Annotated[bool, typer.Option("--json", help="Data as JSON on stdout.")]


def flags(
    settings: Sequence[str] | None = None,
    preset: str | None = None,
    backbone: str | None = None,
    proposer: str | None = None,
    classifiers: Sequence[str] | None = None,
    building: bool = False,
    executor: str | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """Flags as nested settings; `--proposer` means the build's proposer where a command builds."""
    from retclip.config import assignment, merged

    given: dict[str, Any] = {"preset": preset} if preset else {}
    parts: dict[str, Any] = {"backbone": backbone} if backbone else {}
    if classifiers:
        parts["classifiers"] = tuple(classifiers)
    if proposer:
        given = merged(given, {"build" if building else "components": {"proposer": proposer}})
    told = {"executor": executor, "workers": workers, "retry_failed": retry_failed or None}
    work = {key: value for key, value in told.items() if value is not None}
    if work:
        given = merged(given, {"build": work})
    if parts:
        given = merged(given, {"components": parts})
    for text in settings or ():
        given = merged(given, assignment(text))
    return given


def nothing(_: Components) -> None:
    """A store is enough."""


def to_segment(components: Components) -> None:
    """What segmenting needs beside a store. Raises WeightsMissing, PluginUnavailable, ConfigError."""
    components.require(building=False)


def to_build(components: Components) -> None:
    """The same for whatever stores segments."""
    components.require(building=True)


@contextmanager
def opened(
    store: Path,
    config: Path | None = None,
    settings: dict[str, Any] | None = None,
    create: bool = False,
    missing_ok: bool = False,
    required: Callable[[Components], object] = nothing,
) -> Iterator[RetCLIP]:
    """The store with its components, closed at the end of the block. required: what must be here beside the store, and
    is told first: `to_segment`, `to_build`. missing_ok: a command that some presets do without a store; which, is told
    where the chosen one needs it."""
    from retclip.engine import RetCLIP
    from retclip.errors import StoreMissing

    try:
        opening = RetCLIP.open(store, config, settings, create, missing_ok, required)
    except StoreMissing as error:
        todo = f"{error.todo}; or choose a preset that needs none: {_without_store(store, config, settings)}"
        raise StoreMissing(error.expected, error.got, todo if missing_ok else error.todo) from error
    with opening as retclip:
        yield retclip


def _without_store(store: Path, config: Path | None, settings: dict[str, Any] | None) -> str:
    from retclip.opening import configured
    from retclip.preset_needs import all_presets, without_store

    return f"{without_store(all_presets(*configured(store, config, settings)))}; see `retclip presets`"


def tell_stores_here() -> None:
    """Name the stores in this folder: one of them may be meant."""
    from contextlib import suppress

    from retclip.store.feature_store import FeatureStore

    here: list[str] = []
    with suppress(OSError):  # a folder that cannot be listed
        here = sorted(path.name for path in Path().iterdir() if FeatureStore.exists(path))
    if here:
        output.message(f"stores in this folder: {', '.join(here)}; choose with --store or RETCLIP_STORE")
