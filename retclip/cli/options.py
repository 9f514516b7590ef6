"""Options that many commands share, and how they become settings. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
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
) -> dict[str, Any]:
    """Flags as nested settings; `--proposer` means the build's proposer where a command builds."""
    from retclip.config import assignment, merged

    given: dict[str, Any] = {"preset": preset} if preset else {}
    parts: dict[str, Any] = {"backbone": backbone} if backbone else {}
    if classifiers:
        parts["classifiers"] = tuple(classifiers)
    if proposer:
        given = merged(given, {"build" if building else "components": {"proposer": proposer}})
    work = {key: value for key, value in (("executor", executor), ("workers", workers)) if value is not None}
    if work:
        given = merged(given, {"build": work})
    if parts:
        given = merged(given, {"components": parts})
    for text in settings or ():
        given = merged(given, assignment(text))
    return given


@contextmanager
def opened(
    store: Path,
    config: Path | None = None,
    settings: dict[str, Any] | None = None,
    create: bool = False,
    missing_ok: bool = False,
) -> Iterator[RetCLIP]:
    """The store with its components, closed at the end of the block."""
    from retclip.engine import RetCLIP

    with RetCLIP.open(store, config, settings, create=create, missing_ok=missing_ok) as retclip:
        yield retclip
