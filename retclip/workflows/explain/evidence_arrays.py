"""Neighbours, scores and decision inputs as the plain arrays of an evidence file, and back.

Segment ids are kept as text because that is how people meet them again in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.evidence import DecisionInputs, TreeParts
from retclip.types import ClassPrototypes, ClassScores, Negatives, Neighbours
from retclip.workflows.explain.evidence_checks import SCORE_AXES, InputNumbers, Source

Arrays = dict[str, NDArray[Any]]
REQUIRED = ("values", "knows")  # arrays that every classifier gives
LEAF = "leaf_"  # begins the names of what belongs to the leaves of a tree of masks


def put_neighbours(arrays: Arrays, prefix: str, near: Neighbours) -> None:
    """Write neighbours into arrays whose names begin with `prefix`; which negative examples and prototypes there are is
    the same for all."""
    arrays[f"{prefix}_ids"] = _as_text(near.ids)
    arrays |= {f"{prefix}_{name}": plain(values) for name, values in near.places.items()}
    if near.negatives is not None:
        arrays["negative_ids"] = np.array([str(segment) for segment in near.negatives.ids], dtype="U36")
        arrays["negative_classes"] = plain(near.negatives.classes)
        arrays[f"{prefix}_negatives"] = plain(near.negatives.distances)
    if near.prototypes is not None:
        arrays["prototype_classes"] = plain(near.prototypes.classes)
        arrays["prototype_sizes"] = plain(near.prototypes.sizes)
        arrays["prototype_members"] = _as_text(near.prototypes.members)
        arrays[f"{prefix}_prototypes"] = plain(near.prototypes.distances)


def neighbours_in(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Neighbours:
    """Read what `put_neighbours` wrote."""
    return Neighbours(
        _as_ids(arrays[f"{prefix}_ids"]),
        torch.from_numpy(arrays[f"{prefix}_classes"]),
        torch.from_numpy(arrays[f"{prefix}_distances"]),
        torch.from_numpy(arrays["supported"]),
        _negatives_in(arrays, prefix),
        optional(arrays, f"{prefix}_trust"),
        prototypes=_prototypes_in(arrays, prefix),
        of_rest=optional(arrays, f"{prefix}_of_rest"),
        decorrelated=optional(arrays, f"{prefix}_decorrelated"),
    )


def _as_text(ids: NDArray[np.object_]) -> NDArray[np.str_]:
    """Return ids as text, "" for none."""
    return np.array([str(segment or "") for segment in ids.ravel()], dtype="U36").reshape(ids.shape)


def _as_ids(texts: NDArray[Any]) -> NDArray[np.object_]:
    ids = np.full(texts.shape, None, dtype=object)
    for place in zip(*np.nonzero(texts != ""), strict=True):
        ids[place] = UUID(str(texts[place]))
    return ids


def _prototypes_in(arrays: Mapping[str, NDArray[Any]], prefix: str) -> ClassPrototypes | None:
    if f"{prefix}_prototypes" not in arrays:
        return None
    return ClassPrototypes(
        torch.from_numpy(arrays["prototype_classes"]),
        torch.from_numpy(arrays["prototype_sizes"]),
        _as_ids(arrays["prototype_members"]),
        torch.from_numpy(arrays[f"{prefix}_prototypes"]),
    )


def _negatives_in(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Negatives | None:
    if f"{prefix}_negatives" not in arrays:
        return None
    ids = np.array([UUID(str(text)) for text in arrays["negative_ids"]], dtype=object)
    return Negatives(ids, torch.from_numpy(arrays["negative_classes"]), torch.from_numpy(arrays[f"{prefix}_negatives"]))


def put_scores(arrays: Arrays, prefix: str, scores: Sequence[ClassScores]) -> None:
    """Write the scores of every classifier into arrays whose names begin with `prefix`."""
    for number, source in enumerate(scores):
        given = {name: getattr(source, name) for name in SCORE_AXES}
        arrays |= {f"{prefix}{name}_{number}": plain(values) for name, values in given.items() if values is not None}


def scores_in(arrays: Mapping[str, NDArray[Any]], prefix: str, sources: Sequence[Source]) -> tuple[ClassScores, ...]:
    """Read what `put_scores` wrote."""
    return tuple(
        ClassScores(
            torch.from_numpy(arrays[f"{prefix}values_{number}"]),
            torch.from_numpy(arrays[f"{prefix}knows_{number}"]),
            source.role,
            classifier=source.classifier,
            rule=source.rule,
            **{name: optional(arrays, f"{prefix}{name}_{number}") for name in SCORE_AXES if name not in REQUIRED},
        )
        for number, source in enumerate(sources)
    )


def put_inputs(arrays: Arrays, inputs: DecisionInputs, prefix: str = "") -> None:
    """Write what a decision needs to be made again, the parts of its masks too."""
    put_neighbours(arrays, f"{prefix}beyond", inputs.beyond)
    arrays["seen"], arrays[f"{prefix}covered"] = plain(inputs.seen), plain(inputs.covered)
    if inputs.possible is not None:
        arrays[f"{prefix}possible"] = plain(inputs.possible)
    if inputs.parts is not None:
        parts = inputs.parts
        arrays[f"{LEAF}owner"], arrays[f"{LEAF}shares"] = plain(parts.owner), plain(parts.shares)
        put_neighbours(arrays, f"{LEAF}neighbour", parts.neighbours)
        put_scores(arrays, LEAF, parts.scores)
        put_inputs(arrays, parts.inputs, LEAF)


def inputs_in(
    arrays: Mapping[str, NDArray[Any]], numbers: InputNumbers, sources: Sequence[Source], prefix: str = ""
) -> DecisionInputs:
    """Read what `put_inputs` wrote."""
    parts = None
    if not prefix and numbers.own is not None:
        parts = TreeParts(
            torch.from_numpy(arrays[f"{LEAF}owner"]),
            torch.from_numpy(arrays[f"{LEAF}shares"]),
            numbers.own,
            neighbours_in(arrays, f"{LEAF}neighbour"),
            scores_in(arrays, LEAF, sources),
            inputs_in(arrays, numbers, sources, LEAF),
        )
    return DecisionInputs(
        neighbours_in(arrays, f"{prefix}beyond"),
        numbers.k,
        numbers.further,
        numbers.per_class,
        torch.from_numpy(arrays["seen"]),
        torch.from_numpy(arrays[f"{prefix}covered"]),
        optional(arrays, f"{prefix}possible"),
        parts,
    )


def optional(arrays: Mapping[str, NDArray[Any]], name: str) -> Tensor | None:
    """Return an array as a tensor, None where it was not written."""
    return torch.from_numpy(arrays[name]) if name in arrays else None


def plain(values: Tensor) -> NDArray[Any]:
    """Return a tensor as the array that is written: of floats float32."""
    array: NDArray[Any] = (values.float() if values.is_floating_point() else values).cpu().numpy()
    return array
