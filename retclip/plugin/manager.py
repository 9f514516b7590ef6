"""Finding plugins and surviving broken ones: each is loaded alone, and what failed says where and why.

pluggy's own loader has no guard: the first plugin that cannot be imported stops all. So the entry points of the group
"retclip" are walked here, and everything a plugin may raise, a bad torch/torchvision pair's RuntimeError included, is
kept as a `PluginFailure`. Announcing loads no model library.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy
from packaging.requirements import Requirement
from pydantic import BaseModel, ValidationError

import retclip
from retclip.errors import ConfigError, ContractBroken, PluginUnavailable, RetCLIPError
from retclip.plugin import contracts, spec
from retclip.plugin.contracts import Component
from retclip.types import Device

GROUP = "retclip"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
KINDS = {
    "backbone": "retclip_backbones",
    "proposer": "retclip_mask_proposers",
    "classifier": "retclip_classifiers",
    "source": "retclip_image_sources",
}
PROTOCOLS: dict[str, Any] = {
    "backbone": contracts.Backbone,
    "proposer": contracts.MaskProposer,
    "classifier": contracts.Classifier,
    "source": contracts.ImageSource,
}


@dataclass(frozen=True)
class ComponentInfo:
    """An announced component and who announced it."""

    kind: str
    plugin: str
    distribution: str
    version: str
    component: Component[Any]

    @property
    def name(self) -> str:
        """The component's own name."""
        return self.component.name

    @property
    def full_name(self) -> str:
        """ "<plugin>.<name>", unique."""
        return f"{self.plugin}.{self.component.name}"


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that is not used. stage: version, import, register, announce or clash."""

    plugin: str
    distribution: str
    version: str
    stage: str
    reason: str


class PluginManager:
    """The components that are there, and the plugins that failed."""

    def __init__(self, found: Sequence[ComponentInfo], failures: Sequence[PluginFailure]) -> None:
        self._found, self.failures = tuple(found), tuple(failures)

    @classmethod
    def discover(
        cls, disabled: Iterable[str] = (), strict: bool = False, entry_points: Iterable[Any] | None = None
    ) -> PluginManager:
        """Walk the entry points, in the order of their names. strict: raise PluginUnavailable for the first failure."""
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=GROUP)
        found: list[ComponentInfo] = []
        failures: list[PluginFailure] = []
        taken: dict[str, str] = {}
        for entry in sorted(entry_points, key=lambda one: (one.name, _distribution(one)[0])):
            distribution, version = _distribution(entry)
            if entry.name in disabled or distribution in disabled:
                continue
            if entry.name in taken:
                reason = f"the name {entry.name!r} is already used by {taken[entry.name]}"
                failures.append(PluginFailure(entry.name, distribution, version, "clash", reason))
                continue
            taken[entry.name] = distribution
            announced = _announced(entry, distribution, version)
            found += announced if isinstance(announced, list) else []
            failures += [announced] if isinstance(announced, PluginFailure) else []
        if strict and failures:
            told = _told(failures[0])
            raise PluginUnavailable("every plugin to load", told, "repair it, or set plugins.strict = false")
        return cls(found, failures)

    def components(self, kind: str | None = None) -> list[ComponentInfo]:
        """All components, or those of a kind (backbone, proposer, classifier, source), by full name."""
        return sorted(
            (one for one in self._found if kind in (None, one.kind)), key=lambda one: (one.kind, one.full_name)
        )

    def find(self, kind: str, name: str) -> ComponentInfo:
        """A component by full name, or by its own name where only one plugin has it. Raises PluginUnavailable."""
        there = self.components(kind)
        matches = [one for one in there if name == one.full_name] or [one for one in there if name == one.name]
        if len(matches) == 1:
            return matches[0]
        if matches:
            full = " or ".join(one.full_name for one in matches)
            raise PluginUnavailable(f"one {kind} named {name!r}", "several", f"use the full name: {full}")
        raise PluginUnavailable(f"a {kind} named {name!r}", self._why_missing(name), self._hint(kind, name))

    def load(self, kind: str, name: str, settings: Mapping[str, Any], device: Device) -> Any:
        """Check the settings and load the component. Raises ConfigError, PluginUnavailable, ContractBroken, or whatever
        RetCLIPError the component raises itself (a missing weight file, say)."""
        info = self.find(kind, name)
        checked = checked_settings(info, settings)
        try:
            thing = info.component.load(checked, device)
        except RetCLIPError:
            raise
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            todo = f"retclip plugins check {info.full_name}; the plugin is {info.distribution} {info.version}"
            raise PluginUnavailable(f"{kind} {info.full_name} to load", got, todo) from error
        if not isinstance(thing, PROTOCOLS[kind]):
            lacking = [one for one in _members(PROTOCOLS[kind]) if not hasattr(thing, one)]
            todo = f"report it to the author of {info.distribution}"
            raise ContractBroken(f"{info.full_name} to be a {kind}", f"one without {', '.join(lacking)}", todo)
        return thing

    def _why_missing(self, name: str) -> str:
        wanted = name.partition(".")[0]
        failed = [one for one in self.failures if one.plugin == wanted] or list(self.failures)
        return f"none; {_told(failed[0])}" if failed else "none"

    def _hint(self, kind: str, name: str) -> str:
        there = [one.full_name for one in self.components(kind)]
        near = difflib.get_close_matches(name, [*there, *(one.partition(".")[2] for one in there)], n=1)
        start = f"did you mean {near[0]!r}? " if near else ""
        return f"{start}here are: {', '.join(there) or 'none'}"


def checked_settings(info: ComponentInfo, settings: Mapping[str, Any]) -> BaseModel:
    """The component's settings, validated by its own model. Raises ConfigError."""
    model = info.component.settings
    try:
        return model(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "?"
        known = list(model.model_fields)
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
            raise ConfigError(f"a setting of {info.full_name}", repr(key), hint) from error
        got = "nothing" if first["type"] == "missing" else repr(first.get("input"))
        raise ConfigError(f"{info.full_name}, {key}: {first['msg']}", got, "correct the setting") from error


def _announced(entry: Any, distribution: str, version: str) -> list[ComponentInfo] | PluginFailure:
    stage = "version"
    try:
        _check_version(getattr(entry, "dist", None))
        stage = "import"
        module = entry.load()
        stage = "register"
        registered = _registered(module)
        stage = "announce"
        return [
            ComponentInfo(kind, entry.name, distribution, version, component)
            for kind, hook in KINDS.items()
            for component in _components(getattr(registered.hook, hook), kind)
        ]
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        return PluginFailure(entry.name, distribution, version, stage, reason)


def _check_version(distribution: Any) -> None:
    """Raises RuntimeError where the distribution asks for another retclip than this: pip's warning scrolled by long
    ago, and what such a plugin does when it is imported would be named after something else."""
    for line in getattr(distribution, "requires", None) or ():
        wanted = Requirement(line)
        here = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if wanted.name == "retclip" and here and not wanted.specifier.contains(retclip.__version__, prereleases=True):
            raise RuntimeError(f"it needs retclip {wanted.specifier}, this is {retclip.__version__}")


def _registered(module: Any) -> pluggy.PluginManager:
    """A pluggy manager of this plugin alone: what one plugin does wrong cannot touch another."""
    manager = pluggy.PluginManager(spec.PROJECT)
    manager.add_hookspecs(spec)
    manager.register(module)
    manager.check_pending()  # a hook of ours that does not exist is a typo
    if not any(getattr(manager.hook, hook).get_hookimpls() for hook in KINDS.values()):
        raise TypeError(f"no hook is implemented; the hooks are {', '.join(KINDS.values())}")
    return manager


def _components(hook: Callable[[], Iterable[Iterable[Any]]], kind: str) -> list[Component[Any]]:
    found = [one for several in hook() for one in several]
    names: set[str] = set()
    for one in found:
        if not isinstance(one, Component):
            raise TypeError(f"the {kind} hook returned a {type(one).__name__}, not a Component")
        if not isinstance(one.name, str) or not NAME.fullmatch(one.name) or one.name in names:
            raise ValueError(f"the {kind} name {one.name!r} is taken or not of the form [a-z0-9_-]")
        if not (isinstance(one.settings, type) and issubclass(one.settings, BaseModel)):
            raise TypeError(f"the settings of {one.name!r} are no pydantic model")
        if one.settings.model_config.get("extra") != "forbid":
            raise TypeError(f"the settings of {one.name!r} let unknown keys pass; derive them from retclip's Settings")
        if not callable(one.load):
            raise TypeError(f"`load` of {one.name!r} cannot be called")
        names.add(one.name)
    return found


def _distribution(entry: Any) -> tuple[str, str]:
    owner = getattr(entry, "dist", None)
    return (owner.name, owner.version) if owner is not None else ("?", "?")


def _members(protocol: Any) -> list[str]:
    return sorted(getattr(protocol, "__protocol_attrs__", None) or (n for n in vars(protocol) if n[0] != "_"))


def _told(failure: PluginFailure) -> str:
    owner = f"{failure.plugin} ({failure.distribution} {failure.version})"
    return f"plugin {owner} failed at {failure.stage}: {failure.reason}"
