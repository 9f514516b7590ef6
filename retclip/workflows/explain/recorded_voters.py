"""The classifiers that voted for a kept answer, set as they were then: what deciding again needs of the plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from retclip.errors import ConfigError, DataError, PluginUnavailable, WeightsMissing
from retclip.evidence import Evidence
from retclip.plugin.contracts import NEIGHBOURS, NeighbourVote
from retclip.plugin.manager import PluginManager
from retclip.types import Device
from retclip.workflows.explain.replay import Voters, no_replay


class RecordedVoters:
    """Loads the classifiers that voted with neighbours, by name; those of equal settings once."""

    def __init__(self, manager: PluginManager) -> None:
        self._manager, self._loaded = manager, dict[str, Voters]()

    def __call__(self, evidence: Evidence) -> Voters:
        """Return those of an answer. Raises PluginUnavailable, ConfigError, WeightsMissing, and DataError for one that
        cannot vote again."""
        classifiers = evidence.settings.get("classifiers", ())
        key = json.dumps(classifiers, sort_keys=True, default=str)
        if key not in self._loaded:
            self._loaded[key] = _loaded(self._manager, classifiers)
        return self._loaded[key]

    def or_none(self, evidence: Evidence) -> Voters:
        """Return the same, none where one cannot vote again."""
        try:
            return self(evidence)
        except (PluginUnavailable, ConfigError, DataError, WeightsMissing):
            return {}


def _loaded(manager: PluginManager, classifiers: Sequence[Mapping[str, Any]]) -> dict[str, NeighbourVote]:
    """Load those that vote. classifiers: name and settings of each, as the evidence has them."""
    voters: dict[str, NeighbourVote] = {}
    for classifier in classifiers:
        info = manager.find("classifier", str(classifier["name"]))
        if NEIGHBOURS not in info.component.needs:
            continue
        voter = manager.load("classifier", info.full_name, dict(classifier["settings"]), Device())
        if not isinstance(voter, NeighbourVote):
            raise no_replay([info.full_name])
        voters[info.full_name] = voter
    return voters
