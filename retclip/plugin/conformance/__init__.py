"""The conformance kit: what a component promised, tried out. For `retclip plugins check` and for a plugin's own tests.

    from retclip.plugin.conformance import check_component, require_kept
    from retclip.plugin.manager import PluginManager

    def test_it_keeps_its_contract():
        info = PluginManager.discover().find("proposer", "thirds.thirds")
        require_kept(info, check_component(info))

Made-up photos of several shapes go through the component; every answer is checked as the core checks it, and against
the promises that one answer cannot show: the same alone and in a batch, the same twice, the same after it was loaded
anew, nothing done to the input, masks that lie where the photo does, a space that knows every setting that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from retclip.device import inference
from retclip.errors import ContractBroken, PluginError, RetCLIPError, ShapeError, WeightsDamaged, WeightsMissing
from retclip.plugin.calls import reason_of
from retclip.plugin.conformance import backbones, class_files, classifiers, proposers, sources
from retclip.plugin.conformance.comparison import Kept, alike, equal
from retclip.plugin.conformance.loaded_weights import check_word, digests, hint
from retclip.plugin.conformance.settings_moves import changed, check_moves
from retclip.plugin.contracts import Settings
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.manager import PluginManager, checked_settings
from retclip.plugin.weights import cached_in, files_used
from retclip.types import Device

CHECKS: Mapping[str, tuple[tuple[str, Callable[[Any, ComponentInfo], object]], ...]] = {
    "backbone": backbones.CHECKS,
    "proposer": proposers.CHECKS,
    "classifier": classifiers.CHECKS,
    "source": sources.CHECKS,
    "class_file": class_files.CHECKS,
}
ANSWERS: Mapping[str, Callable[[Any, ComponentInfo], Any]] = {
    "backbone": backbones.answers,
    "proposer": proposers.answers,
    "classifier": classifiers.answers,
}
SETTINGS, LOAD = "settings", "load"
NAMED, STAYING = "its space names its weights", "its weights stay as they are"
TWICE, MOVED = "loaded twice, the same", "another space where settings change vectors"
BATCH = 4  # photos of one size go through a model together, as in a build


@dataclass(frozen=True)
class CheckResult:
    """One promise.

    ok: kept, broken, or None where it could not be tried (detail says why).
    cause: the error that says so, where there is one.
    """

    check: str
    ok: bool | None
    detail: str = ""
    cause: RetCLIPError | None = field(default=None, compare=False, repr=False)


def check_component(
    info: ComponentInfo,
    settings: Mapping[str, Any] | None = None,
    device: Device | None = None,
    cache: Path | None = None,
) -> list[CheckResult]:
    """Try a component. A crash is a broken promise; what lacks its weights cannot be tried.

    settings: the component's, none = its defaults.
    device: None = the CPU; batches are of four photos at least.
    cache: the folder of weights, None = the default.

    Raises what a component does right to refuse: ConfigError for a setting, DataError for a file that a setting names,
    WeightsDamaged for weights that are not whole; nothing else.
    """
    requested = device or Device()
    trial = _Trial(info, settings or {}, replace(requested, batch_size=max(BATCH, requested.batch_size)), cache)
    results = [_attempt(SETTINGS, lambda: _check_settings(info)), _attempt(LOAD, trial.begin)]
    if not trial.loaded:
        return [*results, *(CheckResult(name, None, "it did not load") for name, _ in trial.promises())]
    with cached_in(cache), inference(trial.device):  # as the core calls it
        for name, check in trial.promises():
            results.append(_attempt(name, check))
            trial.broken |= {name} if results[-1].ok is False else set()
    return results


def summary(info: ComponentInfo, results: Sequence[CheckResult]) -> str:
    """Return how many promises were tried and how many are broken, in one line."""
    promises = _promises(results)
    tried = [result for result in promises if result.ok is not None]
    broken = sum(result.ok is False for result in results)
    return f"{info.full_name}: {len(tried)} of {len(promises)} promises tried, {broken or 'none'} broken"


def require_kept(info: ComponentInfo, results: Sequence[CheckResult]) -> None:
    """Check what `check_component` returned.

    Raises ContractBroken, naming every broken promise; WeightsMissing where none could be tried for want of weights.
    """
    broken = [result for result in results if result.ok is False]
    if broken:
        got = "; ".join(f"{result.check} ({result.detail})" for result in broken)
        raise ContractBroken(f"{info.full_name} to keep its contract", got, "see retclip.plugin.contracts")
    if any(result.ok for result in _promises(results)):
        return
    cause = next((result.cause for result in results if result.cause is not None), None)
    if isinstance(cause, WeightsMissing):
        raise WeightsMissing(cause.expected, f"{cause.got} ({summary(info, results)})", cause.todo)
    todo = "give it something to be tried with: retclip plugins check --set KEY=VALUE, of a source --path DATA"
    raise ContractBroken(f"a promise of {info.full_name} that can be tried", summary(info, results), todo)


def _promises(results: Sequence[CheckResult]) -> list[CheckResult]:
    return [result for result in results if result.check not in (SETTINGS, LOAD)]


class _Trial:
    """A component, loaded as often as its promises need. Only one is held at a time: two may not fit into memory."""

    def __init__(self, info: ComponentInfo, settings: Mapping[str, Any], device: Device, cache: Path | None) -> None:
        self.info, self.settings, self.device, self.cache = info, settings, device, cache
        self.loaded: list[Any] = []
        self.broken: set[str] = set()
        self._weights: list[str] = []

    def begin(self) -> None:
        """Load it for the first time."""
        with files_used() as files:
            self.loaded.append(self._load({}))
        self._files = dict(files)
        self._weights = digests(self.loaded[0])

    def promises(self) -> list[tuple[str, Callable[[], object]]]:
        """Return each promise with what tries it, in order; those that load it anew come last."""
        kind = self.info.kind
        own = [(name, partial(self._ask, check)) for name, check in CHECKS[kind]]
        of_weights: list[tuple[str, Callable[[], object]]] = [(STAYING, self._staying)]
        of_loading: list[tuple[str, Callable[[], object]]] = [(TWICE, self._twice)]
        if kind == "backbone":
            of_weights.insert(0, (NAMED, self._named))
            of_loading.append((MOVED, self._moved))
        return [*own, *(of_weights if kind != "source" else ()), *of_loading]

    def _load(self, changes: Mapping[str, Any]) -> Any:
        manager = PluginManager([self.info], [], self.cache)
        return manager.load(self.info.kind, self.info.full_name, changed(self.settings, changes), self.device)

    def _ask(self, check: Callable[[Any, ComponentInfo], object]) -> object:
        return check(self.loaded[0], self.info)

    def _named(self) -> None:
        check_word(self.loaded[0].space, self.loaded[0], self._files)

    def _staying(self) -> None:
        """Whether answering changed its weights, as statistics do that go on being gathered."""
        if digests(self.loaded[0]) != self._weights:
            todo = hint(self.loaded[0]) or "answer without learning"
            raise ContractBroken("the same weights before and after it answered", "others", todo)

    def _twice(self) -> object:
        """Whether it says the same after it was loaded anew: weights that a model library made up do not."""
        if self.info.kind not in ANSWERS:
            return "it loads no weights"
        before = ANSWERS[self.info.kind](self.loaded[0], self.info)
        if isinstance(before, str):
            return before
        space = getattr(self.loaded[0], "space", None)
        self.loaded.clear()
        self.loaded.append(self._load({}))
        todo = "load every number from a file, or seed what is random"
        if getattr(self.loaded[0], "space", None) != space:
            raise ContractBroken("one feature space of two loads", "two", todo)
        if digests(self.loaded[0]) != self._weights:
            raise ContractBroken("the same weights of two loads", "others", todo)
        after = ANSWERS[self.info.kind](self.loaded[0], self.info)
        for first, second in zip(before, after, strict=True):
            equal("answers of a component that is loaded twice", first, second, todo)
        if self.info.kind == "backbone" and not alike(before, after):
            raise ContractBroken("the same answers of a component that is loaded twice", "different values", todo)
        return None

    def _moved(self) -> object:
        """Whether its space knows every setting that changes its vectors."""
        if TWICE in self.broken:
            return "it is not even the same when nothing is changed"
        component = self.loaded[0]
        space, vectors = component.space, backbones.answers(component, self.info)
        self.loaded.clear()
        del component
        now = checked_settings(self.info, self.settings)
        return check_moves(now, space, vectors, self._load, lambda moved: backbones.answers(moved, self.info))


def _attempt(name: str, action: Callable[[], object]) -> CheckResult:
    """Run one check; what it returns as text is the reason why it was skipped."""
    try:
        skipped = action()
    except WeightsDamaged:
        raise
    except WeightsMissing as error:
        return CheckResult(name, None, str(error), error)
    except RetCLIPError as error:
        if name == LOAD and not isinstance(error, PluginError | ShapeError):
            raise  # it refuses a setting, or the file that one names
        return CheckResult(name, False, str(error), error)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic of native code, or an attempt to end the program, too
        return CheckResult(name, False, reason_of(error))
    if isinstance(skipped, str):
        return CheckResult(name, None, skipped)
    return CheckResult(name, True, skipped.remark if isinstance(skipped, Kept) else "")


def _check_settings(info: ComponentInfo) -> None:
    model = info.component.settings
    if not issubclass(model, Settings):
        raise TypeError(f"{model.__name__} is not derived from retclip.plugin.Settings")
    undescribed = [key for key, setting in _fields(model) if not setting.description]
    if undescribed:
        raise ValueError(f"settings without a description: {', '.join(undescribed)}")
    if not info.component.summary.strip() or "\n" in info.component.summary:
        raise ValueError("the summary must be one line")


def _fields(model: Any) -> Iterator[tuple[str, Any]]:
    return iter(model.model_fields.items())
