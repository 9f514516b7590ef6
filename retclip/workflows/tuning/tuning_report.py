"""What a tuning returns: every setting that was tried, the chosen one, and what that is worth elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retclip.store.records import Failure
from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference
from retclip.workflows.evaluation.evaluation_figures import Evaluation
from retclip.workflows.tuning.grid import NAMES

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class TriedSetting:
    """A setting with its figures on the photos that were tuned on.

    values: short or full name -> value; empty for the settings as they were.
    figures: in percent, None where nothing occurs.
    """

    values: Mapping[str, Any]
    figures: Figures


@dataclass(frozen=True)
class HeldOut:
    """What the chosen setting is worth on photos that it was not chosen by.

    source: its address.
    before: as it was set; after: the chosen setting.
    change: per figure and class, with a paired bootstrap over the photos.
    looks: how many settings have been judged on these photos from this folder, this one included.
    """

    source: str
    before: Evaluation
    after: Evaluation
    change: EvaluationDifference
    looks: int


@dataclass(frozen=True)
class TuningReport:
    """What a tuning did.

    source: that was tuned on, of `images` photos; figure: that was to be as high as can be.
    as_set: the settings in effect before; tried: every setting, in the order in which they were tried; best: the first
    of those with the highest figure, `as_set` where none has a higher one.
    settings: what is to be set for the best, as tables of retclip.toml.
    held_out: the best one elsewhere.
    failures: photos of both sources that could not be used.
    """

    source: str
    images: int
    figure: str
    as_set: TriedSetting
    tried: tuple[TriedSetting, ...]
    best: TriedSetting
    settings: Mapping[str, Any]
    held_out: HeldOut
    failures: tuple[Failure, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """Points of the figure that the best has above the settings as they were, on the photos tuned on."""
        return (self.best.figures[self.figure] or 0.0) - (self.as_set.figures[self.figure] or 0.0)

    def highest(self, most: int) -> list[TriedSetting]:
        """Return the settings with the highest figures, the first of equal ones first."""
        counted = [setting for setting in self.tried if setting.figures[self.figure] is not None]
        return sorted(counted, key=lambda setting: -(setting.figures[self.figure] or 0.0))[:most]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        from dataclasses import asdict

        held_out = self.held_out
        return {
            "source": self.source, "images": self.images, "figure": self.figure,
            "as_set": asdict(self.as_set), "best": asdict(self.best), "settings": dict(self.settings),
            "tried": [asdict(setting) for setting in self.tried], "search": dict(self.search),
            "held_out": {
                "source": held_out.source, "before": held_out.before.as_dict(), "after": held_out.after.as_dict(),
                "change": held_out.change.as_dict(), "looks": held_out.looks,
            },
            "failures": [asdict(failure) for failure in self.failures],
        }  # fmt: skip


def short_names(values: Any) -> dict[str, Any]:
    """Return a trial's values by the names that a person writes."""
    return {NAMES.get(name, name): entry for name, entry in values}
