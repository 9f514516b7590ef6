"""Components found and loaded by name, as the settings choose them: once each, and what is missing told before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from retclip import config, limits
from retclip.device import choose
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import LEVELS
from retclip.plugin.manager import PluginManager
from retclip.plugin.pairing import Capable, check_pairing
from retclip.plugin.weights import files_used
from retclip.types import Device
from retclip.workflows.segment.parts import Loaded, Models

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone, ImageSource, MaskProposer


class Components:
    """The components that some settings name. They load on first use and stay; no store is needed for them."""

    def __init__(self, settings: config.Settings, manager: PluginManager) -> None:
        self.settings, self.manager = settings, manager
        limits.use(settings.limits.limits)  # of this process, which may be a worker
        self._loaded: dict[tuple[str, str, Device], Loaded[Any]] = {}

    def component(self, kind: str, name: str, device: Device | None = None) -> Loaded[Any]:
        """A component by name, loaded once on each device. kind: backbone, proposer, classifier or source. device: None
        for the one that is set."""
        info = self.manager.find(kind, name)
        device = device or choose(self.settings.device, kind)
        key = kind, info.full_name, device
        if key not in self._loaded:
            given = self.settings.of_component(info.full_name)
            with files_used() as files:
                thing = self.manager.load(kind, info.full_name, given, device)
            settings = info.component.settings(**given).model_dump(mode="json")
            provides, needs = info.component.provides, info.component.needs
            self._loaded[key] = Loaded(info.full_name, info.version, thing, device, settings, provides, needs, files)
        return self._loaded[key]

    def models(self, building: bool, device: Device | None = None) -> Models:
        """Backbone and proposer for a workflow; a build has its own proposer. device: as in `component`. Raises
        ConfigError, WeightsMissing and PluginUnavailable before anything is loaded."""
        backbone, keys, proposer = self._roles(building)
        self.require(building)
        return Models(
            cast("Loaded[Backbone]", self.component("backbone", backbone, device)),
            cast("Loaded[MaskProposer]", self.component("proposer", proposer, device)),
            self.settings,
            cast("Loaded[Backbone]", self.component("backbone", keys, device)) if keys else None,
        )

    def require(self, building: bool) -> None:
        """Whether the components that build, or segment, fit together and their weights are here, asked of their
        announcements: nothing is loaded. Raises ConfigError, WeightsMissing and PluginUnavailable."""
        backbone, keys, proposer = self._roles(building)
        classifiers = () if building else self.settings.components.classifiers
        named = (("backbone", backbone), ("proposer", proposer), *(("classifier", name) for name in classifiers))
        found = [self.manager.find(kind, name) for kind, name in named]
        first, *others = (Capable(one.full_name, one.component.provides, one.component.needs) for one in found)
        check_pairing(first, others)
        second = [self.manager.find("backbone", keys)] if keys else []
        self.manager.require_weights([*found, *second], self.settings.of_component)

    def reader(self, address: str) -> dict[str, str]:
        """Name and version of what reads an address, which may be a shortened one (`source_address.shown_address`)."""
        from retclip.data.source_address import reader_of

        info = self.manager.find("source", reader_of(address))
        return {"name": info.full_name, "version": info.version}

    def source(self, address: str) -> ImageSource:
        """The image source behind `reader:path?split=NAME`, all that it says checked: no reader has another rule. What
        `data` says holds for every reader that has such a setting, unless its own section or the address says else."""
        from retclip.data.source_address import parse_address

        reader, given = parse_address(address)
        info = self.manager.find("source", reader)
        fields, section = info.component.settings.model_fields, self.settings.data
        shared = {key: getattr(section, key) for key in section.model_fields_set if key in fields}
        merged = config.merged(config.merged(shared, self.settings.of_component(info.full_name)), given)
        source = CheckedSource(self.manager.load("source", info.full_name, merged, Device()), info.full_name)
        source.classes()
        return source

    def _roles(self, building: bool) -> tuple[str, str, str]:
        """The names of backbone, second backbone ("" = none) and proposer."""
        names = self.settings.components
        proposer = self.settings.build.proposer if building else names.proposer
        backbone, keys = names.backbone, names.keys if names.keys != names.backbone else ""
        if building and keys and LEVELS not in self.manager.find("proposer", proposer).component.needs:
            return keys, "", proposer  # nobody would look at the first one's features
        return backbone, keys, proposer
