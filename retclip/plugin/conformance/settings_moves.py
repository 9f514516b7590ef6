"""Settings moved to a neighbouring value: where vectors become others, the feature space must become another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from torch import Tensor

from retclip.errors import ContractBroken, RetCLIPError
from retclip.plugin.conformance.comparison import Kept, alike
from retclip.types import FeatureSpace

MOST = 24  # settings that are moved
TRIES = 3  # values of each, every one a load: the first may be refused, or matter to none of the photos
Load = Callable[[Mapping[str, Any]], Any]


def check_moves(
    settings: BaseModel,
    space: FeatureSpace,
    vectors: Sequence[Tensor],
    load: Load,
    answers: Callable[[Any], Sequence[Tensor]],
) -> str | Kept:
    """Load a backbone with one setting after the other moved.

    settings: those that it has now.
    space, vectors: its feature space and its vectors with them.
    load: loads it with changes to them, by keys with dots.
    answers: asks a backbone for the same vectors.
    Returns why nothing could be tried, or what was left out. Raises ContractBroken for one that changes the
    vectors and not the space.
    """
    movable = list(neighbours(settings))
    stuck = [key for key, _ in movable[MOST:]]
    for key, values in movable[:MOST]:
        if not _moved(key, values[:TRIES], space, vectors, load, answers):
            stuck.append(key)
    remark = f"refused other values, so not tried: {', '.join(stuck)}" if stuck else ""
    return remark if stuck and len(stuck) == len(movable) else Kept(remark)


def _moved(
    key: str,
    values: Sequence[Any],
    space: FeatureSpace,
    vectors: Sequence[Tensor],
    load: Load,
    answers: Callable[[Any], Sequence[Tensor]],
) -> bool:
    """Return whether any of the values was taken. Raises ContractBroken."""
    is_taken = False
    for value in values:
        try:
            component = load({key: value})
        except RetCLIPError:
            continue
        is_taken = True
        if component.space.id != space.id:
            return True
        if not alike(answers(component), vectors):
            got = f"the same one with {key} = {value!r}, which gives other vectors"
            todo = f"put {key} into `preprocessing` or `pooling` of its FeatureSpace, as every setting that matters"
            raise ContractBroken("another feature space where vectors are others", got, todo)
    return is_taken


def neighbours(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield each setting that can be moved, nested ones with dots, and the values to try in turn."""
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if isinstance(value, BaseModel):
            yield from neighbours(value, f"{prefix}{key}.")
        elif values := _neighbours(value, field.annotation):
            yield f"{prefix}{key}", values


def _neighbours(value: Any, annotation: Any) -> list[Any]:
    """Return other values: far enough to matter, the cheap ones first."""
    if choices := [choice for choice in _choices(annotation) if choice != value]:
        return choices
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [other for other in dict.fromkeys((value // 2, value * 2, value + 1)) if other != value]
    if isinstance(value, float):
        return [value / 2, value * 2] if value else [0.5, 1.0]
    if isinstance(value, tuple | list) and len(value) > 1:
        return [value[:-1], value[1:]]
    return []


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a `Literal`, also of one among others."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for inner in get_args(annotation) for choice in _choices(inner))


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with other values. changes: by keys with dots."""
    result = dict(settings)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        inner = result.get(first, {})
        plain = inner.model_dump() if isinstance(inner, BaseModel) else inner
        result[first] = changed(plain, {rest: value}) if rest else value
    return result
