"""Loading of complete weights: no tensor missing, left over, of another shape or with a number that is none.

Model libraries fill missing tensors with random numbers, log it and continue: the vectors of such a model are noise,
and other noise at every start. Every loader of ours loads its tensors through this module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retclip.errors import RetCLIPError, WeightsDamaged
from retclip.plugin.batches import out_of_memory
from retclip.quantities import some

SHOWN = 3  # names of each kind in a message
NOT_FINITE = "with NaN or infinite numbers"
AGAIN = "get them again (retclip weights pull | import), or name the model that these weights are of"


def pretrained(load: Callable[..., Any], folder: Path, beside: Sequence[str] = (), **options: Any) -> Any:
    """Load a transformers model in float32, frozen, and check that its weights are complete.

    load: a class's `from_pretrained`.
    folder: in transformers' form.
    beside: prefixes of names that may be in the file beside the model, as of a head for another task.
    options: passed to `load`.
    Tensors that the library declares unneeded are not required, and of tied tensors one is enough. Raises
    WeightsDamaged.
    """
    strict = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}  # told here instead
    with _no_report():
        model, report = companion(load, folder, **strict, **options)
    lacking = {
        "missing": sorted(report["missing_keys"]),
        "left over": sorted(key for key in report["unexpected_keys"] if not key.startswith(tuple(beside))),
        "of another shape": sorted(key for key, *_ in report["mismatched_keys"]),
    }
    where = f"{type(model).__name__} in {folder}"
    require_whole(lacking, where)
    require_whole({NOT_FINITE: not_finite(model.state_dict())}, where)
    return model.eval().requires_grad_(False)


def companion(load: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """Load what accompanies a model in its folder: tokenizer, image processor, configuration.

    Raises WeightsDamaged for files that are missing or that the library cannot read.
    """
    try:
        return load(folder, local_files_only=True, **options)
    except (RetCLIPError, ImportError):
        raise
    except Exception as error:  # OSError, ValueError, KeyError, RuntimeError, SafetensorError: the library's words vary
        if out_of_memory(error):
            raise
        library_class = getattr(getattr(load, "__self__", None), "__name__", "a model")
        got = f"{type(error).__name__}: {_first_line(error)}"
        raise WeightsDamaged(f"files of {library_class} that can be read in {folder}", got, AGAIN) from error


def fill(
    model: nn.Module, state: Mapping[str, Tensor], where: str, beside: Sequence[str] = (), assign: bool = False
) -> None:
    """Load the tensors into the model by name.

    where: the file or folder that they come from.
    beside: prefixes of names that may be there beside the model.
    assign: use the tensors themselves, for a model on the meta device.
    Raises WeightsDamaged.
    """
    expected = model.state_dict()
    ours = {key: value for key, value in state.items() if key in expected or not key.startswith(tuple(beside))}
    require_whole(misfits(expected, ours), f"{type(model).__name__} in {where}")
    model.load_state_dict(ours, assign=assign)


def require_whole(lacking: Mapping[str, Sequence[str]], where: str, todo: str = AGAIN) -> None:
    """Raise WeightsDamaged if any tensor is named.

    lacking: names by what is wrong with them, as `misfits` returns them.
    where: the model and its file.
    """
    report = "; ".join(f"{len(names)} {fault}: {some(names, SHOWN)}" for fault, names in lacking.items() if names)
    if report:
        raise WeightsDamaged(f"every tensor of {where}, and no other", report, todo)


def incomplete(name: str, where: str, todo: str = AGAIN) -> WeightsDamaged:
    """Return the error for a missing tensor that a model's size is read off."""
    return WeightsDamaged(f"every tensor of {where}", f"1 missing: {name}", todo)


def misfits(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Return the names that are missing, left over, of another shape, whole numbers in the place of fractions (as
    quantised weights are, without their scale), or not finite; empty where the state fits the model."""
    shared = expected.keys() & state.keys()
    differing = {
        "missing": expected.keys() - state.keys(),
        "left over": state.keys() - expected.keys(),
        "of another shape": {key for key in shared if expected[key].shape != state[key].shape},
        "of whole numbers": {
            key for key in shared if expected[key].is_floating_point() and not state[key].is_floating_point()
        },
        NOT_FINITE: not_finite(state),
    }
    return {fault: sorted(keys) for fault, keys in differing.items() if keys}


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold NaN or an infinite number, as a fraction too large for 16 bits becomes."""
    return sorted(key for key, value in state.items() if value.is_floating_point() and not _is_finite(value))


def _is_finite(values: Tensor) -> bool:
    if not values.numel():
        return True
    wide = values if values.element_size() > 1 else values.float()  # PyTorch compares no numbers of 8 bits
    ends = torch.stack(torch.aminmax(wide))  # both are NaN where one number is; a tenth of isfinite's time
    return bool(ends.isfinite().all())


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")


@contextmanager
def _no_report() -> Iterator[None]:
    """Suppress transformers' own table of missing tensors inside the block: an error reports them in three parts."""
    reporter = logging.getLogger("transformers.modeling_utils")
    before, reporter.disabled = reporter.disabled, True
    try:
        yield
    finally:
        reporter.disabled = before
