"""The conformance kit: what a component promised, tried out. For `retclip plugins check` and for a plugin's own tests.

    from retclip.plugin.conformance import check_component
    from retclip.plugin.manager import PluginManager

    def test_it_keeps_its_contract():
        info = PluginManager.discover().find("proposer", "thirds.thirds")
        assert [one for one in check_component(info) if one.ok is False] == []

Made-up photos of several shapes go through the component; every answer is checked as the core checks it, and against
the promises that one answer cannot show: the same alone and in a batch, the same twice, the same after it was loaded
anew, nothing done to the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retclip.device import inference
from retclip.errors import RetCLIPError, WeightsDamaged, WeightsMissing
from retclip.plugin.calls import reason_of
from retclip.plugin.conformance import backbones, classifiers, proposers, sources
from retclip.plugin.conformance.examples import equal
from retclip.plugin.contracts import Settings
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.manager import PluginManager
from retclip.plugin.weights import cached_in
from retclip.types import Device

CHECKS: Mapping[str, tuple[tuple[str, Callable[[Any, ComponentInfo], object]], ...]] = {
    "backbone": backbones.CHECKS,
    "proposer": proposers.CHECKS,
    "classifier": classifiers.CHECKS,
    "source": sources.CHECKS,
}
ANSWERS: Mapping[str, Callable[[Any, ComponentInfo], Any]] = {
    "backbone": backbones.answers,
    "proposer": proposers.answers,
    "classifier": classifiers.answers,
}
TWICE = "loaded twice, the same"


@dataclass(frozen=True)
class CheckResult:
    """One promise. ok: kept, broken, or None where it could not be tried (detail says why)."""

    check: str
    ok: bool | None
    detail: str = ""


def check_component(
    info: ComponentInfo,
    settings: Mapping[str, Any] | None = None,
    device: Device | None = None,
    cache: Path | None = None,
) -> list[CheckResult]:
    """Try a component with those settings (none: its defaults). cache: the folder of weights, None = the default. A
    crash is a broken promise; what lacks its weights cannot be tried. Raises WeightsDamaged for weights that are not
    whole, which a component does right to refuse, and nothing else."""
    results = [_attempt("settings", lambda: _check_settings(info))]
    loaded: list[Any] = []
    manager = PluginManager([info], [], cache)
    device_used = device or Device()
    results.append(
        _attempt("load", lambda: loaded.append(manager.load(info.kind, info.full_name, settings or {}, device_used)))
    )
    if not loaded:
        names = [*(name for name, _ in CHECKS[info.kind]), TWICE]
        return [*results, *(CheckResult(name, None, "it did not load") for name in names)]
    with cached_in(cache), inference(device_used):  # as the core calls it
        promises = [_attempt(name, partial(check, loaded[0], info)) for name, check in CHECKS[info.kind]]
        again = partial(manager.load, info.kind, info.full_name, settings or {}, device_used)
        promises.append(_attempt(TWICE, partial(_loaded_twice, loaded, again, info)))
    return [*results, *promises]


def _loaded_twice(loaded: list[Any], load: Callable[[], Any], info: ComponentInfo) -> object:
    """Whether the component says the same after it was loaded anew: weights that a model library made up do not. The
    first is let go before the second comes, for two may not fit into memory."""
    if info.kind not in ANSWERS:
        return "it loads no weights"
    before = ANSWERS[info.kind](loaded[0], info)
    if isinstance(before, str):
        return before
    loaded.clear()
    after = ANSWERS[info.kind](load(), info)
    for first, second in zip(before, after, strict=True):
        equal("answers of a component that is loaded twice", first, second)
    return None


def _attempt(name: str, action: Callable[[], object]) -> CheckResult:
    """Run one check; what it returns as text is the reason why it was skipped."""
    try:
        skipped = action()
    except WeightsDamaged:
        raise
    except WeightsMissing as error:
        return CheckResult(name, None, str(error))
    except RetCLIPError as error:
        return CheckResult(name, False, str(error))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic of native code, or an attempt to end the program, too
        return CheckResult(name, False, reason_of(error))
    return CheckResult(name, None, skipped) if isinstance(skipped, str) else CheckResult(name, True)


def _check_settings(info: ComponentInfo) -> None:
    model = info.component.settings
    if not issubclass(model, Settings):
        raise TypeError(f"{model.__name__} is not derived from retclip.plugin.Settings")
    undescribed = [key for key, field in _fields(model) if not field.description]
    if undescribed:
        raise ValueError(f"settings without a description: {', '.join(undescribed)}")
    if not info.component.summary.strip() or "\n" in info.component.summary:
        raise ValueError("the summary must be one line")


def _fields(model: Any) -> Iterator[tuple[str, Any]]:
    return iter(model.model_fields.items())
