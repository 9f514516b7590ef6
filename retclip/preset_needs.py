"""What each preset needs, and what of it is installed: plugins, weights, a store. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from retclip import config
from retclip.errors import PluginUnavailable, WeightsMissing
from retclip.plugin.contracts import NEIGHBOURS, TEXT
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.local_files import require_packaged
from retclip.plugin.manager import PluginManager, checked_settings, needed_weights
from retclip.plugin.pairing import needs_store
from retclip.plugin.weights import Weights, cached_in, missing
from retclip.presets import ABOUT, FOR_FINETUNING, PRESETS


@dataclass(frozen=True)
class PresetNeeds:
    """The requirements of a preset.

    components: full names of installed components by role.
    votes: whether a classifier votes with the store.
    needs_store: whether nothing is segmented without one.
    any_name: whether a classifier scores names that the store does not have.
    weights: each with whether it is here.
    lacking: plugins and packages that are not installed, each with the reason.
    """

    name: str
    about: str
    for_finetuning: bool
    components: Mapping[str, tuple[str, ...]]
    votes: bool
    needs_store: bool
    any_name: bool
    weights: tuple[tuple[Weights, bool], ...]
    lacking: tuple[str, ...]

    @property
    def absent(self) -> tuple[Weights, ...]:
        """The weights that are missing."""
        return tuple(weights for weights, is_present in self.weights if not is_present)

    @property
    def installed(self) -> bool:
        """Whether all plugins and weights are here; a store is not considered."""
        return not (self.lacking or self.absent)

    @property
    def keys(self) -> str:
        """The backbone of the retrieval embeddings of a store with this preset."""
        return next((name for role in ("keys", "backbone") for name in self.components.get(role, ())), "")


def all_presets(settings: config.Settings, manager: PluginManager) -> list[PresetNeeds]:
    """Return the needs of every preset, the one without weights first.

    settings: for the folder of weights.
    """
    with cached_in(settings.weights.place):
        return [needs_of(name, config.load(None, {"preset": name}), manager) for name in PRESETS]


def needs_of(name: str, settings: config.Settings, manager: PluginManager) -> PresetNeeds:
    """Return what settings need, be they a preset's alone or others on top of it.

    name: of the preset.
    """
    infos, lacking = _infos(settings, manager)
    weights: dict[str, Weights] = {}
    for info in (info for several in infos.values() for info in several):
        values = checked_settings(info, settings.of_component(info.full_name))
        weights |= {weights_set.name: weights_set for weights_set in needed_weights(info, values)}
        try:
            require_packaged(vars(values).values())
        except WeightsMissing as error:
            lacking.append(str(error.expected))
    needs = [info.component.needs for info in infos.get("classifiers", ())]
    votes = [NEIGHBOURS in need for need in needs]
    return PresetNeeds(
        name=name,
        about=ABOUT.get(name, ""),
        for_finetuning=name in FOR_FINETUNING,
        components={role: tuple(info.full_name for info in several) for role, several in infos.items()},
        votes=any(votes),
        needs_store=needs_store(needs, settings.segment.without_store),
        any_name=any(TEXT in need and NEIGHBOURS not in need for need in needs),
        weights=tuple((weights_set, not missing(weights_set)) for weights_set in weights.values()),
        lacking=tuple(dict.fromkeys(lacking)),
    )


def _infos(settings: config.Settings, manager: PluginManager) -> tuple[dict[str, tuple[ComponentInfo, ...]], list[str]]:
    """Return the components by role, and what is not installed."""
    section = settings.components
    roles = {
        "backbone": ("backbone", (section.backbone,)),
        "keys": ("backbone", (section.keys,) if section.keys else ()),
        "proposer": ("proposer", (section.proposer,)),
        "build proposer": ("proposer", (settings.build.proposer,)),
        "classifiers": ("classifier", section.classifiers),
    }
    infos_of: dict[str, tuple[ComponentInfo, ...]] = {}
    lacking: list[str] = []
    for role, (kind, names) in roles.items():
        for name in names:
            try:
                infos_of[role] = (*infos_of.get(role, ()), manager.find(kind, name))
            except PluginUnavailable as error:
                reason = "" if error.got == "none" else f": {error.got}"
                lacking.append(f"the plugin {name.partition('.')[0]}, for the {kind} {name}{reason}")
    return infos_of, lacking


def without_store(presets: Iterable[PresetNeeds]) -> str:
    """Return in words the presets that segment without a store, ready ones first, with the weights that the others
    lack.
    """
    free = [preset for preset in presets if not (preset.needs_store or preset.for_finetuning)]
    lines = [f"{preset.name} ({_lacks(preset)})" for preset in sorted(free, key=lambda preset: not preset.installed)]
    return ", ".join(lines)


def _lacks(needs: PresetNeeds) -> str:
    if needs.lacking:
        return f"not here: {needs.lacking[0]}"
    if not needs.absent:
        return f"ready: {needs.about}"
    size = sum(weights_set.megabytes for weights_set in needs.absent)
    return f"not here: the weights {', '.join(weights_set.name for weights_set in needs.absent)}, {size} MB"
