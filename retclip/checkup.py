"""`retclip.doctor` and `memory.doctor`: whether installation and store, also one that does not open, are sound."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.errors import ConfigError
from retclip.session import Components, store_options

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.workflows.doctor.doctor import DoctorReport


def doctor(
    store: str | PathLike[str] | None = None,
    config_file: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    repair: bool = False,
    chain_head: str | None = None,
) -> DoctorReport:
    """Check Python, torch, plugins and weights, and whether catalog, archive and index of a store agree.

    store: its folder, None = none; it need not be one that opens.
    config_file, settings: as `open` takes them.
    repair: make the index right where it differs from the catalog.
    chain_head: the head of the store's chain of events as it was noted once; that it is still there is checked, too.
    Raises ConfigError; what is wrong is in the report.
    """
    if chain_head is not None and store is None:
        raise ConfigError("--store DIR beside --chain-head", "none", "name the store that the head was noted of")
    folder = None if store is None else Path(store)
    components = Components.configured(folder, Path(config_file) if config_file else None, settings)
    return check(components, repair, folder, chain_head=chain_head)


def check(
    components: Components,
    repair: bool,
    folder: Path | None = None,
    store: FeatureStore | None = None,
    chain_head: str | None = None,
) -> DoctorReport:
    """Check an installation with its settings, and a store: the open one, or the one in a folder, where it is named."""
    from retclip.plugin.manager import PluginManager
    from retclip.plugin.weights import cached_in
    from retclip.workflows.doctor.doctor import DoctorReport, check_installation, check_open_store, check_store
    from retclip.workflows.doctor.doctor_weights import check_weights

    settings = components.settings
    findings = check_installation(settings.plugins.disabled)
    with cached_in(settings.weights.place):
        manager = PluginManager.discover(settings.plugins.disabled)
        findings += check_weights(manager.listed_weights(settings.of_component).values())
    backbones = [info.full_name for info in manager.components("backbone")]
    if store is not None:
        findings += check_open_store(store, repair, backbones, chain_head)
    elif folder is not None:
        findings += check_store(folder, store_options(settings), repair, backbones, chain_head)
    return DoctorReport(tuple(findings))
