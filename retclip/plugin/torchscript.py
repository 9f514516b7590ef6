"""Tensors by name out of a TorchScript archive, as OpenAI keeps CLIP's: its code is neither compiled nor run.

The archive is a zip with a pickle of modules (their attributes by name) and one file per storage of numbers. The pickle
is read by names that are known to be harmless; a module is nothing here but its attributes.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

DEEPEST = 64  # modules inside modules
DTYPES = {
    "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16, "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


class Module:
    """A module of the archive: its attributes by name."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def is_torchscript(path: Path) -> bool:
    """Whether the file is such an archive."""
    return zipfile.is_zipfile(path) and _pickle_of(path, "constants.pkl") != ""


def scripted_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of an archive by the names of its state dict. Raises pickle.UnpicklingError for a name that is not
    known to be harmless, a packed member or modules that lie too deep; what zip, pickle and torch raise where it is
    damaged."""
    member = _pickle_of(path, "data.pkl")
    with zipfile.ZipFile(path) as archive:
        root = _Reader(archive, str(PurePosixPath(member).parent), _stored(archive, member)).load()
    tensors: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any, int]] = [("", root, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        if depth > DEEPEST:
            raise pickle.UnpicklingError("modules that hold themselves")
        for name, value in module.attributes.items() if isinstance(module, Module) else ():
            if isinstance(value, Tensor):
                tensors[f"{prefix}{name}"] = value
            else:
                waiting.append((f"{prefix}{name}.", value, depth + 1))
    return tensors


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for; anything unknown is refused."""
        if module == "__torch__" or module.startswith("__torch__."):
            return Module
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch.jit._pickle", "restore_type_tag"): lambda value, _: value,
        }
        if module == "torch.jit._pickle" and name.startswith("build_") and name.endswith("list"):
            return list
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"more than numbers and text: {module}.{name}")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """The numbers of one storage, flat."""
        _, dtype, key, *_ = pid
        if key not in self._storages:
            content = bytearray(_stored(self._archive, f"{self._folder}/data/{key}"))
            self._storages[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self._storages[key]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)  # raises RuntimeError where that leaves the storage


def _stored(archive: zipfile.ZipFile, member: str) -> bytes:
    """A member as it lies there; torch packs none, so that none is longer than the file."""
    if archive.getinfo(member).compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{member} is packed")
    return archive.read(member)


def _pickle_of(path: Path, name: str) -> str:
    """The member of that name in the archive's one folder, "" = none."""
    with zipfile.ZipFile(path) as archive:
        return next(
            (member for member in archive.namelist() if member.count("/") == 1 and member.endswith(f"/{name}")), ""
        )
