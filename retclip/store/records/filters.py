"""Conditions on stored segments: search, corrections and audit share them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from retclip.errors import ConfigError
from retclip.escaping import brief
from retclip.store.states import LabelSource, SegmentStatus

BOUNDS = (("min_score", "max_score"), ("min_trust", "max_trust"))
LISTS = ("classes", "datasets", "images", "runs", "states", "label_sources")


@dataclass(frozen=True)
class SegmentFilter:
    """Conditions that all hold of a segment. An empty list, or None, is no condition; of a list any value may hold.

    ids: segments; None = no condition, an empty tuple selects nothing.
    classes: names or aliases, removed classes included.
    datasets: names of data sets.
    images: external ids, addresses, or sha256 (at least 8 digits of it) of images.
    runs: numbers of the runs that made the masks.
    states: of the segments; empty = any.
    label_sources: origins of the labels.
    min_score, max_score: bounds of the proposer's objectness, [0, 1], both inclusive.
    since, until: bounds of the moment of the event that stored the segment, both inclusive; without a zone in UTC.
    min_trust, max_trust: bounds of the trust in the label, [0, 1], both inclusive.
    Raises ConfigError for a word or a bound that cannot be.
    """

    ids: tuple[UUID, ...] | None = None
    classes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    runs: tuple[int, ...] = ()
    states: tuple[SegmentStatus, ...] = (SegmentStatus.VISIBLE,)
    label_sources: tuple[LabelSource, ...] = ()
    min_score: float | None = None
    max_score: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_trust: float | None = None
    max_trust: float | None = None

    def __post_init__(self) -> None:
        for name in LISTS:
            object.__setattr__(self, name, values_of(getattr(self, name)))
        object.__setattr__(self, "states", tuple(SegmentStatus(state) for state in self.states))
        object.__setattr__(self, "label_sources", tuple(LabelSource(source) for source in self.label_sources))
        for name in ("classes", "datasets", "images"):
            require_all(name, getattr(self, name), str, "texts")
        require_all("runs", self.runs, int, "whole numbers")
        if self.ids is not None:
            ids = values_of(self.ids)
            require_all("ids", ids, UUID, "UUIDs (`store.segments.find` reads shorter ones)")
            object.__setattr__(self, "ids", ids)
        for name in ("since", "until"):
            object.__setattr__(self, name, moment_of(getattr(self, name)))
        for low, high in BOUNDS:
            _check_shares(self, low, high)
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ConfigError("a moment `since` before `until`", f"{self.since} and {self.until}", "swap them")

    @property
    def selects_all(self) -> bool:
        """Tell whether there is no condition: every visible segment is selected, or every segment."""
        of_states = self.any_state or self.states == (SegmentStatus.VISIBLE,)
        return of_states and replace(self, states=()) == SegmentFilter(states=())

    @property
    def any_state(self) -> bool:
        """Tell whether segments of every state are selected."""
        return not self.states or set(self.states) == set(SegmentStatus)

    def spelled(self) -> str:
        """Spell the conditions as JSON, the same for the same filter."""
        return json.dumps(self.as_dict(), sort_keys=True, default=str)

    def as_dict(self) -> dict[str, Any]:
        """Make plain data of the conditions that were set, for JSON."""
        unset = SegmentFilter.__dataclass_fields__
        conditions = {name: value for name, value in asdict(self).items() if value != unset[name].default}
        if self.ids is not None:
            conditions["ids"] = [str(number) for number in self.ids]
        return {name: list(value) if isinstance(value, tuple) else _plain(value) for name, value in conditions.items()}


def values_of(values: Any) -> tuple[Any, ...]:
    """Make a tuple of one value or several, each once, in order."""
    if values is None:
        return ()
    several = (values,) if isinstance(values, str | int) or not isinstance(values, Iterable) else tuple(values)
    return tuple(dict.fromkeys(several))


def require_all(name: str, values: tuple[Any, ...], kind: type, kinds: str) -> None:
    """Raise ConfigError for a value of another kind."""
    for value in values:
        if not isinstance(value, kind):
            raise ConfigError(f"{kinds} as `{name}`", brief(value), "see the filter's conditions")


def moment_of(moment: Any) -> datetime | None:
    """Make the moment UTC; one without a zone is. Raises ConfigError for what is no datetime."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        todo = "write e.g. datetime(2026, 11, 29, tzinfo=UTC)"
        raise ConfigError("a datetime as `since` or `until`", repr(moment), todo)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _check_shares(conditions: SegmentFilter, low: str, high: str) -> None:
    bounds = [getattr(conditions, name) for name in (low, high)]
    for name, bound in zip((low, high), bounds, strict=True):
        if bound is not None and not (isinstance(bound, int | float) and math.isfinite(bound) and 0 <= bound <= 1):
            raise ConfigError(f"{name} from 0 to 1", f"{bound}", "write e.g. 0.5")
    if None not in bounds and bounds[0] > bounds[1]:
        raise ConfigError(f"{low} at most {high}", f"{bounds[0]} and {bounds[1]}", "swap them")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
