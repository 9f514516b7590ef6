"""Options that many commands share, and how they become settings. Nothing here imports torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from retclip.cli import output
from retclip.quantities import quantity

if TYPE_CHECKING:
    from datetime import datetime

    from retclip.engine import RetCLIP
    from retclip.report.segment_table import SegmentTable
    from retclip.session import Components
    from retclip.store.records import SegmentFilter

DEFAULT_STORE = Path("retclip-store")


def store_or_variable(context: typer.Context, parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """Return the folder of RETCLIP_STORE, in whatever case the variable is written, where no store is named."""
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name != "DEFAULT":
        return value
    from retclip.environment import STORE, variable

    folder = variable(STORE)
    return Path(folder) if folder else value


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
Classes = Annotated[str | None, typer.Option(help="Only these: a comma list or a file.")]
OF_CLASSES = """Of these classes; a name with a comma as '"cup, paper"'."""
Sheet = Annotated[
    Path | None, typer.Option("--sheet", metavar="FILE", help="Write crops to an .html or .png, or a list to a .csv.")
]


@dataclass(frozen=True)
class Filters:
    """The options that select stored segments. Of several values any may hold; commas separate them, too, and
    a name with a comma stands in double quotes, as in CSV."""

    classes: Annotated[list[str] | None, typer.Option("--class", metavar="NAME", help=OF_CLASSES)] = None
    datasets: Annotated[list[str] | None, typer.Option("--data-set", metavar="NAME", help="Of these data sets.")] = None
    images: Annotated[
        list[str] | None, typer.Option("--of-image", metavar="ID", help="Of images, by id, address or sha256.")
    ] = None
    runs: Annotated[list[str] | None, typer.Option("--run", metavar="N", help="Of masks that these runs made.")] = None
    states: Annotated[
        list[str] | None, typer.Option("--state", help="visible (default), quarantined, retired, or all.")
    ] = None
    label_sources: Annotated[
        list[str] | None, typer.Option("--label-source", help="annotation, detector, assigned, person.")
    ] = None
    min_score: Annotated[float | None, typer.Option(help="The proposer's objectness, at least.")] = None
    max_score: Annotated[float | None, typer.Option(help="The same, at most.")] = None
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Stored since then: 2026-11-29T14:30, UTC.")] = None
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Stored until then; a day counts whole.")] = None
    min_trust: Annotated[float | None, typer.Option(help="The trust in the label, at least.")] = None
    max_trust: Annotated[float | None, typer.Option(help="The same, at most.")] = None

    def filter(self) -> SegmentFilter:
        """Return the conditions. Raises ConfigError for a word, a number or a date that cannot be."""
        from retclip.store.records import SegmentFilter
        from retclip.store.states import LabelSource, SegmentStatus

        words = separated(self.states, "--state")
        states = () if "all" in words else tuple(map(SegmentStatus, words or [SegmentStatus.VISIBLE]))
        return SegmentFilter(
            None, tuple(separated(self.classes, "--class")), tuple(separated(self.datasets, "--data-set")),
            tuple(self.images or ()),
            tuple(_number(text) for text in separated(self.runs, "--run")), states,
            tuple(map(LabelSource, separated(self.label_sources, "--label-source"))), self.min_score, self.max_score,
            moment("--since", self.since), moment("--until", self.until, last=True), self.min_trust, self.max_trust,
        )  # fmt: skip

    @property
    def given(self) -> bool:
        """Whether any condition was set."""
        return any(getattr(self, option.name) is not None for option in fields(self))


@dataclass(frozen=True)
class Catalog:
    """The options of a command that needs a store's catalog alone."""

    store: Store = DEFAULT_STORE
    config: Config = None
    json: Json = False


@dataclass(frozen=True)
class Models:
    """The options that choose components and settings."""

    backbone: Backbone = None
    proposer: Proposer = None
    preset: Preset = None
    settings: Set = None
    config: Config = None
    json: Json = False

    def flags(
        self, building: bool = False, classifiers: Sequence[str] | None = None, **work: str | int | None
    ) -> dict[str, Any]:
        """Return nested settings.

        building: `--proposer` means the build's proposer.
        classifiers: names of components.
        work: keys of `build`, None = not given.
        """
        nested: dict[str, Any] = {"preset": self.preset} if self.preset else {}
        parts: dict[str, Any] = {"backbone": self.backbone} if self.backbone else {}
        if classifiers:
            parts["classifiers"] = tuple(classifiers)
        build = {key: value for key, value in work.items() if value is not None}
        if self.proposer:
            (build if building else parts)["proposer"] = self.proposer
        nested |= {name: table for name, table in (("build", build), ("components", parts)) if table}
        return with_settings(nested, self.settings)


@dataclass(frozen=True)
class Setup:
    """The options of a command that works over a store."""

    store: Store = DEFAULT_STORE
    models: Models = field(default_factory=Models)


def checked_sheet(path: Path | None) -> None:
    """Check before the work that a sheet can be written. Raises DataError, ConfigError."""
    if path is not None:
        from retclip.report.segment_table import check_sheet

        check_sheet(path)


def write_sheet(table: SegmentTable, path: Path | None) -> None:
    """Write a table where a sheet is wanted, and say so."""
    if path is not None:
        output.message(f"wrote {table.save(path)}: {quantity(len(table), 'segment')}")


def separated(values: Sequence[str] | None, flag: str) -> list[str]:
    """Return the values of a repeated option, each of which may be a comma list; none where it is left out.

    Raises ConfigError where it has no value: an empty variable of a script must not mean everything; DataError for a
    quote that is not closed.
    """
    from retclip.names import comma_list

    parts = [part for value in values or () for part in comma_list(value) if part]
    if values and not parts:
        from retclip.errors import ConfigError

        raise ConfigError(f"a value of {flag}", repr(values[0]), f"write one, or leave {flag} out")
    return parts


def _number(text: str) -> int:
    from retclip.errors import ConfigError

    if not text.isdecimal():
        raise ConfigError("the number of a run", repr(text), "see `retclip log --json`, or `retclip store show`")
    return int(text)


def moment(flag: str, text: str | None, last: bool = False) -> datetime | None:
    """Return a moment in UTC. last: of a day without a time its last one."""
    if text is None:
        return None
    from datetime import UTC, datetime, time

    from retclip.errors import ConfigError

    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        todo = f"write e.g. {flag} 2026-11-29 or {flag} 2026-11-29T14:30+01:00"
        raise ConfigError("a date, or date and time as ISO 8601 writes it", repr(text), todo) from error
    if last and len(text.strip()) <= len("2026-11-29"):
        moment = datetime.combine(moment.date(), time.max)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def with_settings(nested: Mapping[str, Any], settings: Sequence[str] | None) -> dict[str, Any]:
    """Return settings as nested dicts, those of `--set` above the others. Raises ConfigError."""
    from retclip.config import assignment, merged

    result = dict(nested)
    for text in settings or ():
        result = merged(result, assignment(text))
    return result


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command for typer: each parameter that is a record of options becomes these options."""
    parameters = inspect.signature(command, eval_str=True).parameters
    options = [
        option
        for parameter in parameters.values()
        for option in _options(parameter.name, parameter.annotation, parameter)
    ]

    @wraps(command)
    def call(**values: Any) -> None:
        command(**{name: _packed(parameter.annotation, values, name) for name, parameter in parameters.items()})

    call.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    call.__annotations__ = {option.name: option.annotation for option in options}
    return call


def _options(name: str, kind: Any, parameter: inspect.Parameter | None, default: Any = None) -> list[inspect.Parameter]:
    """Return the options of a parameter, or of a field of a record."""
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return [
            option
            for option_field in fields(kind)
            for option in _options(option_field.name, hints[option_field.name], None, option_field.default)
        ]
    default = parameter.default if parameter is not None else default
    return [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)]


def _packed(kind: Any, values: Mapping[str, Any], name: str) -> Any:
    """Return the value of a parameter, built of the values of all options."""
    if not (is_dataclass(kind) and isinstance(kind, type)):
        return values[name]
    hints = get_type_hints(kind, include_extras=True)
    return kind(
        **{
            option_field.name: _packed(hints[option_field.name], values, option_field.name)
            for option_field in fields(kind)
        }
    )


def nothing(_: Components) -> None:
    """A store is enough."""


def to_segment(components: Components) -> None:
    """Check that segmenting has all it needs beside a store. Raises WeightsMissing, PluginUnavailable, ConfigError."""
    components.require(building=False)


def to_build(components: Components) -> None:
    """Check the same for storing segments."""
    components.require(building=True)


def catalog(options: Catalog) -> RetCLIP:
    """Return the store alone, to be used as a context manager; no plugin is looked for."""
    from retclip.engine import RetCLIP
    from retclip.session import Components, Session

    return RetCLIP(Session.open(options.store, Components.configured(options.store, options.config)))


@contextmanager
def opened(
    store: Path,
    config: Path | None = None,
    settings: dict[str, Any] | None = None,
    create: bool = False,
    missing_ok: bool = False,
    required: Callable[[Components], object] = nothing,
) -> Iterator[RetCLIP]:
    """The store with its components, closed at the end of the block.

    required: what must be here beside the store, and is told first: `to_segment`, `to_build`.
    missing_ok: a command that some presets do without a store; which, is told where the chosen one needs it. A store
    that was named must be there where a classifier votes.
    """
    from retclip.engine import RetCLIP
    from retclip.errors import StoreMissing
    from retclip.session import Components, Session

    components = Components.configured(store, config, settings)
    _ = components.manager  # what is wrong with plugins and their settings is told first
    may_lack = missing_ok and (store == DEFAULT_STORE or not components.voters)
    try:
        opening = RetCLIP(Session.open(store, components, create, may_lack, required))
    except StoreMissing as error:
        todo = f"{error.todo}; or choose a preset that needs none: {_without_store(components)}"
        raise StoreMissing(error.expected, error.got, todo if missing_ok else error.todo) from error
    with opening as memory:
        if may_lack and components.voters and memory.session.without_store() is None:
            output.message(f"note: no store, so {', '.join(components.voters)} is left out")
        yield memory


@contextmanager
def without_store(config: Path | None, settings: dict[str, Any]) -> Iterator[RetCLIP]:
    """An engine that opens no store, for what needs none."""
    from retclip.engine import RetCLIP

    with RetCLIP.open(None, config, settings) as memory:
        yield memory


def _without_store(components: Components) -> str:
    from retclip.preset_needs import all_presets, without_store

    return f"{without_store(all_presets(components.settings, components.manager))}; see `retclip presets`"


def tell_stores_here() -> None:
    """Name the stores in this folder: one of them may be meant."""
    from contextlib import suppress

    from retclip.store.feature_store import FeatureStore

    present: list[str] = []
    with suppress(OSError):  # a folder that cannot be listed
        present = sorted(path.name for path in Path().iterdir() if FeatureStore.exists(path))
    if present:
        output.message(f"stores in this folder: {', '.join(present)}; choose with --store or RETCLIP_STORE")
