"""The installed components: found by name, their settings checked, loaded on first use."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from retclip.environment import nearest_key
from retclip.errors import ConfigError, ContractBroken, PluginUnavailable, RetCLIPError
from retclip.plugin import contracts
from retclip.plugin.bundle import CURE, absent_plugins
from retclip.plugin.calls import at_work, reason_of
from retclip.plugin.checks import broken
from retclip.plugin.discovery import ComponentInfo, PluginFailure, discovered
from retclip.plugin.local_files import require_packaged
from retclip.plugin.weights import Weights, cached_in, require
from retclip.types import Device, FeatureSpace, Role

PROTOCOLS: dict[str, Any] = {
    "backbone": contracts.Backbone,
    "proposer": contracts.MaskProposer,
    "classifier": contracts.Classifier,
    "source": contracts.ImageSource,
    "class_file": contracts.ClassFile,
}


class PluginManager:
    """The installed components, and the plugins that failed to load."""

    def __init__(
        self, components: Sequence[ComponentInfo], failures: Sequence[PluginFailure], cache: Path | None = None
    ) -> None:
        self._found, self.failures, self.cache = tuple(components), tuple(failures), cache

    @classmethod
    def discover(
        cls,
        disabled: Iterable[str] = (),
        strict: bool = False,
        entry_points: Iterable[Any] | None = None,
        cache: Path | None = None,
    ) -> PluginManager:
        """Return a manager of what the installed plugins announce.

        strict: raise PluginUnavailable for the first plugin that failed.
        cache: folder of weights, None = the default.
        """
        components, failures = discovered(disabled, entry_points)
        if strict and failures:
            message = _told(failures[0])
            raise PluginUnavailable("every plugin to load", message, "repair it, or set plugins.strict = false")
        return cls(components, failures, cache)

    def check_names(self, sections: Mapping[str, Iterable[str]]) -> None:
        """Refuse settings of unknown components, so that a typo is not ignored; an absent or failed plugin may have
        any.

        sections: component names by plugin.
        Raises ConfigError.
        """
        for plugin, names in sections.items():
            own = sorted({info.name for info in self._found if info.plugin == plugin})
            plugins = {info.plugin for info in self._found}
            if not own and plugin not in {failure.plugin for failure in self.failures}:
                near = difflib.get_close_matches(plugin, sorted(plugins), n=1)
                if near:
                    raise ConfigError("the settings of a plugin", f"[plugin.{plugin}]", f"did you mean {near[0]!r}?")
            for name in names if own else ():
                if name not in own:
                    todo = f"its components: {', '.join(own)}"
                    raise ConfigError(f"settings of a component of {plugin}", f"[plugin.{plugin}.{name}]", todo)

    def components(self, kind: str | None = None) -> list[ComponentInfo]:
        """Return all components, or those of a kind, by full name.

        kind: backbone, proposer, classifier, source or class_file.
        """
        return sorted(
            (info for info in self._found if kind in (None, info.kind)), key=lambda info: (info.kind, info.full_name)
        )

    def find(self, kind: str, name: str) -> ComponentInfo:
        """Return a component by full name, or by its own name where only one plugin has it.

        kind: backbone, proposer, classifier, source or class_file; "component" = any.
        Raises PluginUnavailable.
        """
        candidates = self.components(None if kind == "component" else kind)
        matches = [info for info in candidates if name == info.full_name] or [
            info for info in candidates if name == info.name
        ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            full = " or ".join(info.full_name for info in matches)
            raise PluginUnavailable(f"one {kind} named {name!r}", "several", f"use the full name: {full}")
        raise PluginUnavailable(f"a {kind} named {name!r}", self._why_missing(name), self._hint(kind, name))

    def load(self, kind: str, name: str, settings: Mapping[str, Any], device: Device) -> Any:
        """Check the settings and load the component. Raises ConfigError, PluginUnavailable, ContractBroken,
        WeightsMissing before anything is loaded, or whatever RetCLIPError the component raises itself."""
        info = self.find(kind, name)
        checked = checked_settings(info, settings)
        try:
            with cached_in(self.cache):
                require(needed_weights(info, checked))
                component = info.component.load(checked, device)
            _check_form(component, info, kind)
        except (RetCLIPError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a panic of native code, or an attempt to end the program, too
            todo = f"retclip plugins check {info.full_name}; the plugin is {info.distribution} {info.version}"
            raise PluginUnavailable(f"{kind} {info.full_name} to load", reason_of(error), todo) from error
        return component

    def require_weights(self, several: Iterable[ComponentInfo], settings: Callable[[str], Mapping[str, Any]]) -> None:
        """Check that all weights of these components are here.

        settings: maps a component's full name to its settings.
        Raises WeightsMissing, once for all; ConfigError.
        """
        checked = [(info, checked_settings(info, settings(info.full_name))) for info in several]
        for _, values in checked:
            require_packaged(vars(values).values())
        with cached_in(self.cache):
            require(weights for info, values in checked for weights in needed_weights(info, values))

    def weights(self, settings: Callable[[str], Mapping[str, Any]] = lambda _: {}) -> dict[str, Sequence[Weights]]:
        """Return the weights that each component needs, by its full name.

        A component that cannot tell, because its settings are incomplete or it is broken, is left out; the error is
        raised where it is used.

        settings: maps a component's full name to its settings.
        """
        needed_by: dict[str, Sequence[Weights]] = {}
        for info in self.components():
            try:
                needed = needed_weights(info, checked_settings(info, settings(info.full_name)))
            except RetCLIPError:
                continue
            if needed:
                needed_by[info.full_name] = needed
        return needed_by

    def published(self) -> dict[str, Weights]:
        """Return every set of weights that a component names under any settings, by name."""
        return {weights.name: weights for info in self.components() for weights in info.component.published}

    def listed_weights(self, settings: Callable[[str], Mapping[str, Any]] = lambda _: {}) -> dict[str, Weights]:
        """Return the published sets and those that the components need under these settings, by name."""
        needed = (weights for several in self.weights(settings).values() for weights in several)
        return self.published() | {weights.name: weights for weights in needed}

    def _why_missing(self, name: str) -> str:
        plugin = name.partition(".")[0]
        failed = [failure for failure in self.failures if failure.plugin == plugin] or list(self.failures)
        return f"none; {_told(failed[0])}" if failed else "none"

    def _hint(self, kind: str, name: str) -> str:
        names = [info.full_name for info in self.components(None if kind == "component" else kind)]
        near = difflib.get_close_matches(name, [*names, *(full_name.partition(".")[2] for full_name in names)], n=1)
        start = f"did you mean {near[0]!r}? " if near else ""
        cure = f"; {CURE}" if name.partition(".")[0] in absent_plugins() or not names else ""
        return f"{start}here are: {', '.join(names) or 'none'}{cure}"


def checked_settings(info: ComponentInfo, settings: Mapping[str, Any]) -> BaseModel:
    """Return the component's settings, validated by its own model. Raises ConfigError."""
    model = info.component.settings
    try:
        return model(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "?"
        keys = list(model.model_fields)
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"a setting of {info.full_name}", repr(key), nearest_key(key, keys)) from error
        got = "nothing" if first["type"] == "missing" else repr(first.get("input"))
        raise ConfigError(f"{info.full_name}, {key}: {first['msg']}", got, "correct the setting") from error


def text_threshold(info: ComponentInfo, settings: BaseModel) -> float | None:
    """Return the cosine of two names above which a backbone takes them for one class; None = it does not compare texts.

    Raises ContractBroken, PluginFailed.
    """
    with at_work(info.full_name, "say from which cosine on two names are one class"):
        threshold = info.component.text_threshold(settings)
    if threshold is not None and not (isinstance(threshold, int | float) and -1 <= threshold <= 1):
        raise broken(info.full_name, "a text threshold in [-1, 1] or None", repr(threshold))
    return threshold


def needed_weights(info: ComponentInfo, settings: BaseModel) -> Sequence[Weights]:
    """Return the weights that a component needs with these settings.

    Raises ContractBroken, PluginFailed, and the component's own errors: ConfigError for an unknown tag, say.
    """
    with at_work(info.full_name, "say which weights it needs"):
        announced = info.component.weights(settings)
        weights = tuple(announced) if isinstance(announced, Iterable) else (announced,)
    invalid = [item for item in weights if not isinstance(item, Weights)]
    if invalid:
        raise broken(info.full_name, "weights of type Weights", type(invalid[0]).__name__)
    return weights


def _check_form(component: Any, info: ComponentInfo, kind: str) -> None:
    """Raises ContractBroken where a component lacks what its kind has, or states it in another form."""
    if not isinstance(component, PROTOCOLS[kind]):
        lacking = [member for member in _members(PROTOCOLS[kind]) if getattr(component, member, None) is None]
        todo = f"report it to the author of {info.distribution}"
        raise ContractBroken(f"{info.full_name} to be a {kind}", f"one without {', '.join(lacking)}", todo)
    if kind == "backbone" and not isinstance(component.space, FeatureSpace):
        raise broken(info.full_name, "a FeatureSpace for `space`", type(component.space).__name__)
    if kind == "classifier" and not isinstance(component.role, Role):
        raise broken(info.full_name, "a Role for `role`", f"{component.role!r}"[:80])


def _members(protocol: Any) -> list[str]:
    return sorted(getattr(protocol, "__protocol_attrs__", None) or (n for n in vars(protocol) if n[0] != "_"))


def _told(failure: PluginFailure) -> str:
    owner = f"{failure.plugin} ({failure.distribution} {failure.version})"
    return f"plugin {owner} failed at {failure.stage}: {failure.reason}"
