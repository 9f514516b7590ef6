"""One `retclip.toml`, environment and flags, checked once: flags > RETCLIP_... > file > preset > defaults.

An environment variable names a key with double underscores: RETCLIP_STORE__INDEX=resident. An unknown key is refused
with its nearest neighbour. The tables stand in `config_sections`, what variables are called in `environment`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from pydantic_settings import PydanticBaseSettingsSource as Source

from retclip.config_sections import (
    BuildSection,
    ComponentsSection,
    DataSection,
    DeviceSection,
    EnsembleSection,
    FallbackSection,
    FinetuneSection,
    LimitsSection,
    MatchingSection,
    PluginsSection,
    RetrievalSection,
    SegmentSection,
    StoreSection,
    WeightsSection,
)
from retclip.documents import check_file, encoding_of
from retclip.environment import CONFIG, NOT_SETTINGS, PREFIX, check_variables, nearest_key, variable
from retclip.errors import ConfigError
from retclip.presets import PRESETS, default_preset
from retclip.secret_addresses import require_own_addresses

FILE = "retclip.toml"
DEEPEST = 20  # levels of tables; those here have four


class Settings(BaseSettings):
    """Everything that can be set. Frozen; made by `load`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )
    preset: str = Field(default_factory=default_preset)
    store: StoreSection = StoreSection()
    components: ComponentsSection = ComponentsSection()
    build: BuildSection = BuildSection()
    data: DataSection = DataSection()
    retrieval: RetrievalSection = RetrievalSection()
    ensemble: EnsembleSection = EnsembleSection()
    segment: SegmentSection = SegmentSection()
    matching: MatchingSection = MatchingSection()
    fallback: FallbackSection = FallbackSection()
    limits: LimitsSection = LimitsSection()
    device: DeviceSection = DeviceSection()
    finetune: FinetuneSection = FinetuneSection()
    weights: WeightsSection = WeightsSection()
    plugins: PluginsSection = PluginsSection()
    plugin: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict, description="[plugin.NAME.COMPONENT]: settings that the component itself checks"
    )

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: type[BaseSettings], init_settings: Source, env_settings: Source, **__: Source
    ) -> tuple[Source, ...]:
        """Flags, then the environment; `load` adds file and preset."""
        return init_settings, _settings_alone(env_settings)

    def of_component(self, full_name: str) -> dict[str, Any]:
        """The settings given for the component "<plugin>.<name>"."""
        plugin, _, name = full_name.partition(".")
        return dict(self.plugin.get(plugin, {}).get(name, {}))


def load(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from `file` (None = defaults), the environment and `flags` (nested dicts). Raises ConfigError."""
    written, overrides = read_file(file) if file else {}, dict(flags or {})
    check_variables(_tables())
    preset = overrides.get("preset") or variable("PRESET") or written.get("preset", default_preset())
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(f"a preset, one of {', '.join(PRESETS)}", repr(preset), "choose one of them")

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]
            cls, settings_cls: type[BaseSettings], init_settings: Source, env_settings: Source, **_: Source
        ) -> tuple[Source, ...]:
            below = (InitSettingsSource(settings_cls, table) for table in (written, PRESETS[preset]))
            return (*super().settings_customise_sources(settings_cls, init_settings, env_settings), *below)

    try:
        sourced = Sourced(**overrides)
    except ValidationError as error:
        raise _as_config_error(error, file) from error
    except RecursionError as error:
        raise _too_deep("RETCLIP_... variables and --set") from error
    except SettingsError as error:  # an environment variable that is no JSON where a list is expected
        raise ConfigError("readable RETCLIP_... variables", str(error), "write lists as JSON") from error
    require_own_addresses(sourced.store, overrides.get("store", {}), file)
    # A plain `Settings`: a class of this function's own could not be sent to another process.
    return Settings.model_construct(**{name: getattr(sourced, name) for name in Settings.model_fields})


def find_file(store: Path | None, explicit: Path | None = None) -> Path | None:
    """The file to read: the one named, RETCLIP_CONFIG, the store's own, or the one in this folder."""
    file = explicit or variable(CONFIG)
    if file:
        return Path(file)
    places = [store / FILE] if store else []
    try:
        return next((place for place in [*places, Path(FILE)] if place.is_file()), None)
    except OSError as error:
        raise ConfigError(f"a folder that can be read: {store}", str(error), "check its permissions") from error


def read_file(file: Path) -> dict[str, Any]:
    """A TOML file as nested dicts. Raises ConfigError."""
    try:
        check_file(file)
        content = file.read_bytes()
        return tomllib.loads(content.decode(encoding_of(content)))  # Windows' editors write a byte order mark
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, no TOML, a number of thousands of digits
        raise ConfigError(
            f"a readable TOML file {file}", str(error), "correct it, or name another: --config"
        ) from error
    except RecursionError as error:
        raise _too_deep(str(file)) from error


def assignment(text: str) -> dict[str, Any]:
    """`a.b.c=value` as nested dicts; the value is TOML, or else plain text. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if key.count(".") > DEEPEST:
        raise _too_deep(f"--set {key[:40]}...")
    if not equals or not all(key.split(".")):
        raise ConfigError("KEY=VALUE, e.g. retrieval.k=16", repr(text), "write --set retrieval.k=16")
    nested: Any = parsed(value)
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return dict(nested)


def parsed(value: str) -> Any:
    """Text as the TOML value it spells, else as text."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except ValueError:  # no TOML, or a number of thousands of digits
        return value
    except RecursionError as error:
        raise _too_deep(f"the value {value[:40]}...") from error


def merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; `high` wins."""
    result = dict(low)
    for key, value in high.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def dotted(tables: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as one, by dotted keys; an empty table is an entry, for it differs from none.

    above: what stands before each key.
    """
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        nests = isinstance(value, Mapping) and value
        flat |= dotted(value, f"{above}{key}.") if nests else {f"{above}{key}": value}
    return flat


def _tables() -> dict[str, list[str]]:
    """The keys of each table, none of a plain setting or of the plugins' table."""
    fields = Settings.model_fields.items()
    return {name: list(getattr(type(field.default), "model_fields", ())) for name, field in fields}


def _settings_alone(source: Source) -> Source:
    """The environment without the variables that are no settings: RETCLIP_STORE is a folder, not the table `store`."""
    if isinstance(source, EnvSettingsSource):
        not_settings = {f"{PREFIX}{name}".lower() for name in NOT_SETTINGS}
        source.env_vars = {name: value for name, value in source.env_vars.items() if name.lower() not in not_settings}
    return source


def _too_deep(where: str) -> ConfigError:
    """What is told of settings that nest as no table here does."""
    return ConfigError(f"settings that nest at most {DEEPEST} levels deep in {where}", "many more", "write them flat")


def _as_config_error(error: ValidationError, file: Path | None) -> ConfigError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = f" (from {file}, the environment or a flag)" if file else " (from the environment or a flag)"
    if first["type"] == "extra_forbidden":
        section: Any = Settings
        for part in path[:-1]:
            section = section.model_fields[part].annotation
        hint = nearest_key(path[-1], list(section.model_fields))
        return ConfigError("a known setting", f"{'.'.join(path)!r}{where}", hint)
    got = "something else, not shown" if _holds_secret(path) else repr(first["input"])
    return ConfigError(f"{'.'.join(path)}: {first['msg']}", f"{got}{where}", "correct the value")


def _holds_secret(path: list[str]) -> bool:
    """Whether the value at that path is a secret, or a whole table that may hold one."""
    model = getattr(Settings.model_fields.get(path[0]), "annotation", None)
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    inside = [fields[path[1]]] if len(path) > 1 and path[1] in fields else list(fields.values())
    return any(field.annotation is SecretStr for field in inside)
