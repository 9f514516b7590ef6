"""`retclip presets`: the named systems, what each needs, and whether it is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.cli import options, output, streams
from retclip.cli.fitted_table import fitted_table
from retclip.errors import RetCLIPError, StoreMissing
from retclip.presets import LABELS

if TYPE_CHECKING:
    from retclip.preset_needs import PresetNeeds


COLUMNS = ("preset", "ready", "store", "weights", "names")
OTHER = "other backbone"
NAMES = {"any": "any", "store": "the store's", "own": "its own", "store and own": "the store's, its own"}


@dataclass(frozen=True)
class StoreState:
    """A store as presets need it.

    segments: their number by the backbone of their vectors.
    problem: why the store cannot be asked; "" where it can.
    """

    segments: dict[str, int]
    problem: str = ""

    def tell(self, needs: PresetNeeds) -> tuple[bool, str]:
        """Return whether the preset can ask this store, and the word for it."""
        if self.problem:
            return False, self.problem
        if not self.segments:
            return False, "empty"
        segments = self.segments.get(needs.keys, 0)
        return (True, f"{segments} segments") if segments else (False, OTHER)


@options.spread
def presets(at: options.Catalog) -> None:
    """The presets: what each needs (weights, a store, plugins), and whether it is here."""
    from retclip.preset_needs import all_presets
    from retclip.session import Components, plugins_of

    store, settings = at.store, Components.configured(at.store, at.config).settings
    presets, state = all_presets(settings, plugins_of(settings)), _state(at)
    if at.json:
        output.data(
            [{**_as_dict(preset, state, store), "default": preset.name == settings.preset} for preset in presets]
        )
        return
    _print(f"presets, with the store {store}", [_row(preset, state, settings.preset) for preset in presets])
    for preset in presets:
        for reason in preset.lacking:
            output.message(f"{preset.name} lacks {reason}")
    if any(preset.absent for preset in presets):
        output.message("weights that are not here: retclip weights pull --preset NAME (which: --json)")
    output.message(f"a preset is chosen with --preset NAME; without it, {settings.preset}")


def _print(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Everything in one table; on a terminal, which has no room for that, what each is stands below."""
    if not streams.for_data().isatty():
        output.table(title, (*COLUMNS, "what it is"), rows)
        return
    fitted_table(title, COLUMNS, (), [dict(zip(COLUMNS, row[:-1], strict=True)) for row in rows])
    for row in rows:
        output.line(f"{row[0]}: {row[-1]}", "  ")


def _state(at: options.Catalog) -> StoreState:
    try:
        with options.catalog(at) as memory:
            return StoreState(
                {space.space.backbone: space.segments for space in memory.spaces.list() if space.segments}
            )
    except StoreMissing:
        return StoreState({}, "none yet")
    except RetCLIPError as error:  # a listing is no check; `doctor` says more
        return StoreState({}, f"cannot be asked: {error.got}")


def _ready(needs: PresetNeeds, state: StoreState) -> bool:
    return needs.installed and (not needs.needs_store or state.tell(needs)[0])


def _names(needs: PresetNeeds) -> str:
    """Return whose names a preset knows: any, or those of labels of its own, with or without the store's."""
    own = "own" if LABELS in needs.components.get("classifiers", ()) else ""
    return "any" if needs.any_name else " and ".join(filter(None, ["store" if needs.votes else "", own])) or "store"


def _row(needs: PresetNeeds, state: StoreState, default: str) -> tuple[str, ...]:
    lacking = sum(weights.megabytes for weights in needs.absent)
    weights = f"{lacking} MB not here" if needs.absent else "here" if needs.weights else "none"
    return (
        f"{needs.name} (default)" if needs.name == default else needs.name,
        "yes" if _ready(needs, state) else "no",
        _store_word(needs, state),
        weights,
        NAMES[_names(needs)],
        needs.about,
    )


def _store_word(needs: PresetNeeds, state: StoreState) -> str:
    if not needs.votes:
        return "needs none"
    usable, word = state.tell(needs)
    return word if needs.needs_store or usable else "optional"


def _as_dict(needs: PresetNeeds, state: StoreState, store: Path) -> dict[str, Any]:
    ready, remark = state.tell(needs)
    return {
        "name": needs.name,
        "about": needs.about,
        "for": "finetune" if needs.for_finetuning else "segment",
        "ready": _ready(needs, state),
        "names": _names(needs),
        "components": {role: list(names) for role, names in needs.components.items()},
        "plugins": {"here": not needs.lacking, "lacking": list(needs.lacking)},
        "weights": [
            {"name": weights.name, "megabytes": weights.megabytes, "here": present}
            for weights, present in needs.weights
        ],
        "store": {
            "needed": needs.needs_store, "votes": needs.votes, "folder": str(store), "here": ready, "state": remark,
            "backbones": list(state.segments),
        },
    }  # fmt: skip
