"""A trial: values of settings, checked, as the parts of the program that decide take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from retclip.algorithms.ensemble import EnsembleWeights
from retclip.config import Settings, merged
from retclip.config_sections import EnsembleSection, RetrievalSection, SegmentSection
from retclip.errors import ConfigError
from retclip.plugin.contracts import Classifier
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.tuning.grid import NAMES, Values

ClassifierWith = Callable[[str, Mapping[str, Any]], Loaded[Classifier]]  # name, its settings in plugin.* -> loaded


@dataclass(frozen=True)
class Trial:
    """Settings that are tried together.

    values: what differs from the settings in effect; empty = nothing does.
    k: how many neighbours vote.
    classifiers: (name, the settings that were given for it as JSON) of each classifier.
    """

    values: Values
    weights: EnsembleWeights
    segment: SegmentSection
    k: int
    classifiers: tuple[tuple[str, str], ...]

    @property
    def nested(self) -> dict[str, Any]:
        """The values as tables of retclip.toml."""
        return nested(self.values)

    @property
    def words(self) -> str:
        """The values as a person writes them."""
        return " ".join(f"{NAMES.get(name, name)}={_word(entry)}" for name, entry in self.values) or "as it is set"


class Trials:
    """Makes trials from values.

    settings: those in effect; what a trial does not name is as there.
    classifiers: the names of those that take part.
    """

    def __init__(self, settings: Settings, classifiers: Iterable[str]) -> None:
        self.settings = settings
        self._given = {name: settings.of_component(name) for name in classifiers}
        self._texts = {name: _text(values) for name, values in self._given.items()}
        self._sections: dict[tuple[str, str], BaseModel] = {}

    @property
    def as_set(self) -> Trial:
        """The settings in effect as a trial."""
        return self.trial(())

    def trial(self, values: Values) -> Trial:
        """Return a trial. Raises ConfigError for a value that cannot be, and for a classifier that takes no part."""
        tables = nested(values)
        plugin = tables.pop("plugin", {})
        ensemble = self._section(EnsembleSection, "ensemble", tables)
        segment = self._section(SegmentSection, "segment", tables)
        retrieval = self._section(RetrievalSection, "retrieval", tables)
        return Trial(values, EnsembleWeights(**ensemble.model_dump()), segment, retrieval.k, self._classifiers(plugin))

    def _section(self, model: type[Any], name: str, tables: Mapping[str, Any]) -> Any:
        changes = tables.get(name, {})
        key = name, _text(changes)
        if key not in self._sections:
            before = getattr(self.settings, name)
            try:
                self._sections[key] = model(**{**before.model_dump(), **changes}) if changes else before
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, (name, *first["loc"])))
                got, todo = repr(first["input"]), "correct the grid"
                raise ConfigError(f"{NAMES.get(where, where)}: {first['msg']}", got, todo) from error
        return self._sections[key]

    def _classifiers(self, plugin: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        if not plugin:
            return tuple(self._texts.items())
        changes = {f"{p}.{c}": keys for p, components in plugin.items() for c, keys in components.items()}
        if unknown := sorted(changes.keys() - self._given.keys()):
            todo = f"choose settings of {', '.join(self._given)}, or another preset"
            raise ConfigError("settings of classifiers that take part", ", ".join(unknown), todo)
        return tuple(
            (name, _text(merged(values, changes[name])) if name in changes else self._texts[name])
            for name, values in self._given.items()
        )


def nested(values: Values) -> dict[str, Any]:
    """Return values of full names as tables."""
    tables: dict[str, Any] = {}
    for name, entry in values:
        *path, last = name.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = entry
    return tables


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=str)


def _word(entry: Any) -> str:
    if isinstance(entry, bool) or entry is None:
        return str(entry).lower()
    return f"{entry:g}" if isinstance(entry, float) else str(entry)
