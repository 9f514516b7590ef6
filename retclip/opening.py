"""How settings become what a program works with: the file that is read, the plugins and whether the chosen ones fit,
the store's engines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retclip import config
from retclip.device import choose
from retclip.errors import PluginUnavailable, WeightsMissing
from retclip.plugin.contracts import NEIGHBOURS
from retclip.plugin.manager import PluginManager
from retclip.store.feature_store import StoreOptions
from retclip.store.states import IndexKind


def configured(
    folder: Path | None, config_file: str | Path | None, settings: Mapping[str, Any] | None
) -> tuple[config.Settings, PluginManager]:
    """The settings, and the plugins they allow. folder: of the store, whose own file counts. Raises ConfigError."""
    chosen = config.load(config.find_file(folder, Path(config_file) if config_file else None), settings)
    manager = plugins_of(chosen)
    manager.check_names(chosen.plugin)
    return chosen, manager


def plugins_of(settings: config.Settings) -> PluginManager:
    """The plugins that the settings allow. Raises PluginUnavailable for one that failed, where they are strict."""
    section = settings.plugins
    return PluginManager.discover(section.disabled, strict=section.strict, cache=settings.weights.place)


def votes(manager: PluginManager, settings: config.Settings) -> bool:
    """Whether any chosen classifier looks into the store; a database that was named is a store in any case."""
    found = [manager.find("classifier", name) for name in settings.components.classifiers]
    return bool(settings.store.database.get_secret_value()) or any(NEIGHBOURS in one.component.needs for one in found)


def store_options(settings: config.Settings) -> StoreOptions:
    """The store's engines as the settings name them."""
    section = settings.store
    index = IndexKind(section.index)
    resident = choose(settings.device).torch_device if index is IndexKind.RESIDENT else "cpu"
    return StoreOptions(
        database=section.database.get_secret_value(), index=index, qdrant_url=section.qdrant_url,
        qdrant_api_key=section.qdrant_api_key.get_secret_value(), qdrant_timeout=section.qdrant_timeout,
        exact_below=section.exact_below, device=resident,
    )  # fmt: skip


def has_model(settings: config.Settings, manager: PluginManager, proposer: str) -> bool:
    """Whether a proposer is installed, with the weights that its settings name."""
    try:
        manager.require_weights([manager.find("proposer", proposer)], settings.of_component)
    except (PluginUnavailable, WeightsMissing):
        return False
    return True
