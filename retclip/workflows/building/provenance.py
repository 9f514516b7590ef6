"""The provenance of a run: its components with their versions, settings and weight files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from retclip.plugin.weight_digests import weight_digests
from retclip.plugin.weights import cached_in
from retclip.store.ids import digest
from retclip.workflows.segment.parts import Loaded, Parts

TENSORS = (".safetensors", ".bin")  # the other files of a model say how to read it
SHORT = 8  # digits of a digest that people compare


def components(parts: Parts, address: str) -> dict[str, Any]:
    """Return a run's components as plain data.

    Proposer, backbone, and keys where a second backbone makes the stored vectors, each with name, version,
    distribution, settings, settings_sha256 and weights (FOLDER/NAME -> sha256); and name and version of the source
    that reads the address.
    Raises DataError for a weight file that cannot be read any more.
    """
    components: dict[str, Loaded[Any]] = {"proposer": parts.proposer, "backbone": parts.backbone}
    if parts.second_backbone is not None:
        components["keys"] = parts.second_backbone
    reader = parts.reader(address)
    return records(components, parts.settings.weights.place) | ({"source": dict(reader)} if reader else {})


def records(components: Mapping[str, Loaded[Any]], place: Path | None = None) -> dict[str, Any]:
    """Return loaded components by role as plain data.

    place: folder of weights, None = the default.
    """
    with cached_in(place):
        return {role: _record(component) for role, component in components.items()}


def _record(component: Loaded[Any]) -> dict[str, Any]:
    settings = digest(json.dumps(dict(component.settings), sort_keys=True, default=str))
    return {
        "name": component.name,
        "version": component.version,
        "distribution": component.distribution,
        "settings": dict(component.settings),
        "settings_sha256": settings,
        "weights": weight_digests(component.files),
    }


def told_weights(components: Mapping[str, Any], role: str, names: bool = False) -> str:
    """Return for users the first digits of the sha256 of the tensors that a component was loaded from.

    "none" without weights, "not recorded" of a run older than these records.

    names: whether with the files' names.
    """
    if role not in components:
        return "not recorded"
    weights = components[role]["weights"]
    tensors = {name: digest for name, digest in weights.items() if PurePosixPath(name).suffix in TENSORS} or weights
    digests = [f"{name} {digest[:SHORT]}" if names else digest[:SHORT] for name, digest in tensors.items()]
    return (", " if names else " ").join(digests) or "none"


def told_components(components: Mapping[str, Any]) -> str:
    """Return for users every component of a run with its version and weights."""
    several = [
        f"{role} {component['name']} {component['version']}"
        + (f" (weights: {told_weights(components, role, names=True)})" if "weights" in component else "")
        for role, component in components.items()
    ]
    return "; ".join(several) or "components not recorded"
