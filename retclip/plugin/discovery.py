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
    "class_file": "retclip_class_files",
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
    components: list[ComponentInfo] = []
    failures: list[PluginFailure] = []
    distribution_of: dict[str, str] = {}
    for entry in sorted(entry_points, key=lambda entry_point: (entry_point.name, _distribution(entry_point)[0])):
        distribution, version = _distribution(entry)
        if entry.name in disabled or distribution in disabled:
            continue
        if entry.name in distribution_of:
            reason = f"the name {entry.name!r} is already used by {distribution_of[entry.name]}"
            failures.append(PluginFailure(entry.name, distribution, version, "clash", reason))
            continue
        distribution_of[entry.name] = distribution
        announced = _announced(entry, distribution, version)
        components += announced if isinstance(announced, list) else []
        failures += [announced] if isinstance(announced, PluginFailure) else []
    return components, failures


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
    from packaging.requirements import Requirement

    for line in getattr(distribution, "requires", None) or ():
        requirement = Requirement(line)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if (
            requirement.name == "retclip"
            and applies
            and not requirement.specifier.contains(__version__, prereleases=True)
        ):
            raise RuntimeError(f"it needs retclip {requirement.specifier}, this is {__version__}")


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
    components = [component for announced in hook() for component in announced]
    names: set[str] = set()
    for component in components:
        if not isinstance(component, Component):
            raise TypeError(f"the {kind} hook returned a {type(component).__name__}, not a Component")
        if not isinstance(component.name, str) or not NAME.fullmatch(component.name) or component.name in names:
            raise ValueError(f"the {kind} name {component.name!r} is taken or not of the form [a-z0-9_-]")
        if not (isinstance(component.settings, type) and issubclass(component.settings, BaseModel)):
            raise TypeError(f"the settings of {component.name!r} are no pydantic model")
        if component.settings.model_config.get("extra") != "forbid":
            raise TypeError(
                f"the settings of {component.name!r} let unknown keys pass; derive them from retclip's Settings"
            )
        for attribute in ("load", "weights", *(("trainable",) if component.trainable is not None else ())):
            if not callable(getattr(component, attribute)):
                raise TypeError(f"`{attribute}` of {component.name!r} cannot be called")
        if not isinstance(component.summary, str) or any(
            not isinstance(weights, Weights) for weights in component.published
        ):
            raise TypeError(f"the summary of {component.name!r} is no text, or `published` holds what are no Weights")
        if any(not isinstance(names, frozenset | set) for names in (component.provides, component.needs)):
            raise TypeError(f"`provides` and `needs` of {component.name!r} are no sets")
        names.add(component.name)
    return components


def _distribution(entry: Any) -> tuple[str, str]:
    owner = getattr(entry, "dist", None)
    return (owner.name, owner.version) if owner is not None else ("?", "?")
