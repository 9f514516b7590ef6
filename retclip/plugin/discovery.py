"""Finding plugins and surviving broken ones: each is loaded alone, and what failed says where and why.

pluggy's own loader has no guard: the first plugin that cannot be imported stops all. So the entry points of the group
"retclip" are walked here, and everything a plugin may raise, a bad torch/torchvision pair's RuntimeError included, is
kept as a `PluginFailure`; so is a panic of native code, which is no `Exception`. Announcing loads no model library.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pluggy
from packaging.requirements import Requirement
from pydantic import BaseModel

from retclip._version import __version__
from retclip.plugin import spec
from retclip.plugin.calls import reason_of
from retclip.plugin.contracts import Component
from retclip.plugin.weights import Weights

GROUP = "retclip"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
KINDS = {
    "backbone": "retclip_backbones",
    "proposer": "retclip_mask_proposers",
    "classifier": "retclip_classifiers",
    "source": "retclip_image_sources",
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


def discovered(
    disabled: Iterable[str], entry_points: Iterable[Any] | None = None
) -> tuple[list[ComponentInfo], list[PluginFailure]]:
    """Walk the entry points, in the order of their names: what is announced, and what failed."""
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
    return found, failures


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
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return PluginFailure(entry.name, distribution, version, stage, reason_of(error))


def _check_version(distribution: Any) -> None:
    """Raises RuntimeError where the distribution asks for another retclip than this: pip's warning scrolled by long
    ago, and what such a plugin does when it is imported would be named after something else."""
    for line in getattr(distribution, "requires", None) or ():
        wanted = Requirement(line)
        here = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if wanted.name == "retclip" and here and not wanted.specifier.contains(__version__, prereleases=True):
            raise RuntimeError(f"it needs retclip {wanted.specifier}, this is {__version__}")


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
        for what in ("load", "weights", *(("trainable",) if one.trainable is not None else ())):
            if not callable(getattr(one, what)):
                raise TypeError(f"`{what}` of {one.name!r} cannot be called")
        if not isinstance(one.summary, str) or any(not isinstance(weights, Weights) for weights in one.published):
            raise TypeError(f"the summary of {one.name!r} is no text, or `published` holds what are no Weights")
        if any(not isinstance(names, frozenset | set) for names in (one.provides, one.needs)):
            raise TypeError(f"`provides` and `needs` of {one.name!r} are no sets")
        names.add(one.name)
    return found


def _distribution(entry: Any) -> tuple[str, str]:
    owner = getattr(entry, "dist", None)
    return (owner.name, owner.version) if owner is not None else ("?", "?")
