"""Tensors by name out of a checkpoint file: safetensors, or a pickle whose code never runs."""

from __future__ import annotations

import hashlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retclip.errors import DataError, WeightsDamaged
from retclip.limits import check_size, current
from retclip.own_files import written_whole
from retclip.plugin.stand_ins import stand_in
from retclip.plugin.torchscript import is_torchscript, scripted_tensors

WRAPPERS = ("model", "state_dict", "module")  # what training programs put around a state dict
HARMLESS = ("_reconstruct", "scalar")  # what numpy writes around the numbers of an array
SHARED = 4  # tensors may share what the file holds once: so many times its size is no bomb
NUMPY_PLACES = ("numpy._core.multiarray", "numpy.core.multiarray")  # of those, in NumPy 2 and before


def read_state(path: Path, accept: Callable[[str], bool] = lambda _: True) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or those whose names are wanted: nothing else is read. Raises WeightsDamaged
    where it is none or damaged."""
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys() if accept(key)}  # noqa: SIM118  (no mapping)


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself beside its tensors. Raises WeightsDamaged where it is none or damaged."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        todo = "convert or fetch it: retclip weights import | pull"
        raise WeightsDamaged(f"a safetensors file {path}", stand_in(path) or str(error), todo) from error


def read_pickled(path: Path, name: str = "") -> dict[str, Tensor]:
    """The tensors of a `.pth` or `.pt` checkpoint, however they are wrapped, read with `weights_only=True`, or of a
    TorchScript archive, whose code is not run. Raises DataError; a file that holds more than numbers and text is
    refused."""
    kinds = {type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "u1", "?")}
    harmless: list[Any] = [*_by_name(), np.ndarray, np.dtype, *kinds]
    size, label = path.stat().st_size, name or str(path)
    allowed = max(SHARED * size, current().unpacked_bytes)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
                check_size(unpacked, allowed, f"an unpacked checkpoint {label}", "limits.unpacked_mib")
        with torch.serialization.safe_globals(harmless), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripted = is_torchscript(path)
            checkpoint = scripted_tensors(path) if scripted else torch.load(path, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except Exception as error:  # torch raises pickle, zip, runtime and value errors here
        todo = "use a safetensors file of these weights, or fetch the checkpoint again"
        raise DataError(
            f"a checkpoint of plain tensors in {name or path}", stand_in(path) or _reason(error), todo
        ) from error
    tensors = _tensors(checkpoint, label)
    unpacked = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    check_size(unpacked, allowed, f"tensors in {label}", "limits.unpacked_mib")  # a stride of 0 repeats a number
    return tensors


def write_safetensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name; what shares memory is written twice. metadata: texts about them.
    Raises DataError for what such a file cannot hold, OSError where it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        plain = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
        save_file(plain, path, metadata=dict(metadata or {}))
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error
    except (KeyError, RuntimeError, ValueError) as error:  # sparse, quantised, without memory, of a rare type
        got = f"{type(error).__name__}: {error}"
        raise DataError("tensors that a safetensors file can hold", got, "save them as plain ones") from error


def as_safetensors(path: Path, name: str = "") -> Path:
    """The file itself if it is whole safetensors; a pickled checkpoint is written again beside it, as safetensors.
    Raises DataError for a file that is neither: a page that asks to log in, say."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        starts_as_one = file.read(9)[8:] == b"{"  # eight bytes of length, then JSON
    if starts_as_one:
        try:
            with safe_open(path, framework="pt"):
                return path
        except (OSError, SafetensorError, ValueError) as error:
            raise DataError(f"a whole safetensors file {name or path}", str(error), "get it again") from error
    tensors, written = read_pickled(path, name), path.with_name(f"{path.name}.safetensors")
    with written_whole(written) as temporary:
        write_safetensors(tensors, temporary)
    return written


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, without it; all of them where none has it."""
    below = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return below or dict(tensors)


def state_digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values: what weights *are*, whatever file they came in."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        value = tensors[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _by_name() -> list[tuple[Any, str]]:
    multiarray: Any = np._core.multiarray  # type: ignore[attr-defined]
    return [(getattr(multiarray, name), f"{place}.{name}") for name in HARMLESS for place in NUMPY_PLACES]


def _reason(error: Exception) -> str:
    """What torch found, without its advice to load the file unsafely."""
    message = str(error)
    if code := re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", message):
        return f"more than numbers and text: {code[1]}"
    inner = re.search(r"WeightsUnpickler error:\s*(.+)", message)
    return inner[1] if inner else next(iter(message.splitlines()), type(error).__name__)


def _tensors(checkpoint: Any, name: str) -> dict[str, Tensor]:
    for _ in WRAPPERS:  # no more layers than that: a pickle can hold itself
        layer = checkpoint if isinstance(checkpoint, Mapping) else {}
        checkpoint = next((layer[key] for key in WRAPPERS if isinstance(layer.get(key), Mapping)), checkpoint)
    plain = dict(checkpoint.items()) if isinstance(checkpoint, Mapping) else {}
    tensors = {
        str(key): torch.as_tensor(value) for key, value in plain.items() if isinstance(value, Tensor | np.ndarray)
    }
    if not tensors:
        raise DataError(
            f"tensors by name in {name}", type(checkpoint).__name__, "check that it is a model's checkpoint"
        )
    return tensors


def file_digest(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
