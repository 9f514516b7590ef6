"""Which settings are tried next: all of a grid, or those that Optuna proposes from what it has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from retclip.errors import ConfigError
from retclip.workflows.tuning.grid import NAMES, Axis, Values

AT_ONCE = 20  # trials that Optuna proposes before it is told of any: they are counted together

Counted = Callable[[Sequence[Values]], Sequence[float | None]]  # values of trials -> the figure of each


@dataclass(frozen=True)
class OptunaSearch:
    """A search by Optuna's tree-structured Parzen estimator.

    trials: how many settings are tried; seed: of the search: equal seeds try the same ones.
    """

    trials: int = 200
    seed: int = 0


def by_optuna(axes: Sequence[Axis], how: OptunaSearch, count: Counted) -> None:
    """Ask for settings and tell their figures, until so many are tried. Raises ConfigError where Optuna is missing."""
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(seed=how.seed, constant_liar=True, n_startup_trials=min(40, how.trials // 2))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    left = how.trials
    while left:
        asked = [study.ask() for _ in range(min(AT_ONCE, left))]
        values = [tuple((axis.name, _proposed(trial, axis)) for axis in axes) for trial in asked]
        for trial, figure in zip(asked, count(values), strict=True):
            if figure is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, figure)
        left -= len(asked)


def _proposed(trial: Any, axis: Axis) -> Any:
    name = NAMES.get(axis.name, axis.name)
    if not axis.is_range:
        return axis.values[trial.suggest_categorical(name, list(range(len(axis.values))))]
    low, high = axis.values
    if axis.name == "retrieval.k":
        return trial.suggest_int(name, round(low), round(high))
    return trial.suggest_float(name, low, high)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        todo = "pip install 'retclip[tune]', or try a grid: --search grid"
        raise ConfigError("optuna, for --search optuna", str(error), todo) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
