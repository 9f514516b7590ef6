"""The networks inside a component, and whether what it says of its weights is so."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import nn

from retclip.errors import ContractBroken
from retclip.plugin.checkpoints import state_digest
from retclip.types import FeatureSpace

DEPTH = 4  # attributes of attributes are looked at, so far
SHA256 = re.compile(r"[0-9a-f]{64}")
PLAIN = (str, bytes, int, float, complex, type(None), type)


def networks(component: Any) -> list[nn.Module]:
    """Return the networks that a component holds in its attributes, none inside another, as far as they are found."""
    networks = list(_networks(component, DEPTH, set()))
    inside = {id(part) for network in networks for part in network.modules() if part is not network}
    return [network for network in networks if id(network) not in inside]


def _networks(value: Any, depth: int, seen: set[int]) -> Iterator[nn.Module]:
    if id(value) in seen or isinstance(value, PLAIN):
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        yield value
    elif depth:
        for inner in _inside(value):
            yield from _networks(inner, depth - 1, seen)


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return value
    slots = [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
    return [*getattr(value, "__dict__", {}).values(), *slots]


def digests(component: Any) -> list[str]:
    """Return the sha256 of each of its networks' weights."""
    return sorted(state_digest(network.state_dict()) for network in networks(component))


def check_word(space: FeatureSpace, component: Any, files: Collection[str]) -> None:
    """Check that a feature space names the weights where there are some.

    files: names of the weight files that loading it read.
    Raises ContractBroken.
    """
    count = sum(tensor.numel() for network in networks(component) for tensor in network.parameters())
    if not (count or files) or SHA256.fullmatch(space.weights):
        return
    there = ", ".join(sorted(files)) or f"a network of {count:,} numbers"
    todo = "put retclip.plugin.checkpoints.state_digest(model.state_dict()) there: other weights are another space"
    raise ContractBroken(
        "`weights` of its feature space to be the sha256 of its weights", f"{space.weights!r} beside {there}", todo
    )


def hint(component: Any) -> str:
    """Return what may be why answers change: a network in training mode; "" where none is."""
    training = any(part.training for network in networks(component) for part in network.modules())
    return "its network is in training mode: call model.eval()" if training else ""
