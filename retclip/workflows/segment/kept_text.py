"""Text vectors of names, kept as a file: a thousand names with templates take a text tower minutes, and are the same
tomorrow.

A file is of one backbone with its settings, weight files, precision and versions: every name that it has read so far,
so that a name more costs one. It lies in the cache folder, may be deleted, and is not believed unless its checksum is
that in its name.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.own_files import write_durably
from retclip.plugin.read_names import tell_read_alike
from retclip.plugin.weights import cache_folder_if_any
from retclip.workflows.segment.parts import Loaded

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone

Rows = dict[str, NDArray[np.float32]]  # of each name its vector (d,)
FILES = 32  # kept, the newest; 1,203 names of 768 numbers take 3.7 MB
MOST = 20_000  # names of a file; one that would hold more is begun anew
log = logging.getLogger(__name__)


def kept_text(
    backbone: Loaded[Backbone], names: Sequence[str], read: Callable[[Sequence[str]], Tensor | None]
) -> Tensor | None:
    """Return the text vectors (n, d) of names: from the file that keeps them, those it lacks by `read`.

    Only a backbone with weight files has one: they and the version of its program say which vectors it makes.
    """
    cache = cache_folder_if_any() if backbone.files and names else None
    if cache is None:
        return read(names)
    try:
        key, folder = _key(backbone), cache / "text"
        kept = _loaded(folder, key, backbone.component.space.dim)
    except OSError as error:
        log.info("text vectors are not kept: %s", error)
        return read(names)
    new = [name for name in dict.fromkeys(names) if name not in kept]
    if new:
        vectors = read(new)
        if vectors is None:
            return None
        rows = dict(zip(new, vectors.float().cpu().numpy(), strict=True))
        kept |= rows
        with suppress(OSError):
            _keep(folder, key, kept if len(kept) <= MOST else rows)
    found = np.stack([kept[name] for name in names])
    _tell_alike(names, found, backbone.name)
    return torch.from_numpy(found).to(backbone.device.torch_device)


def _tell_alike(names: Sequence[str], vectors: NDArray[np.float32], backbone: str) -> None:
    """Log the names that have one vector: the tower tells it of what it reads, and of what is kept it reads nothing."""
    groups: dict[bytes, list[str]] = {}
    for name, vector in zip(names, vectors, strict=True):
        groups.setdefault(vector.tobytes(), []).append(name)
    for number, group in enumerate(groups.values()):
        if len(set(group)) > 1:
            tell_read_alike({name: [number] for name in group}, backbone)


def _key(backbone: Loaded[Backbone]) -> str:
    """Compute what the vectors depend on, as a name. Raises OSError for weights that went away."""
    program = Path(inspect.getfile(type(backbone.component))).parent
    files = [*sorted(backbone.files.values()), *sorted(program.glob("*.py"))]
    facts = [
        backbone.name, backbone.version, backbone.distribution, backbone.component.space.id, dict(backbone.settings),
        astuple(backbone.device)[:2], torch.__version__,
        [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _loaded(folder: Path, key: str, dim: int) -> Rows:
    """Read kept vectors; a damaged file goes."""
    kept: Rows = {}
    for path in folder.glob(f"{key}-*.npz"):
        content = path.read_bytes()
        if path.stem == f"{key}-{zlib.crc32(content):08x}":
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                names, vectors = json.loads(arrays["names"].tobytes()), arrays["vectors"]
            if vectors.shape == (len(names), dim):
                kept |= zip(names, vectors, strict=True)
                continue
        path.unlink(missing_ok=True)
    return kept


def _keep(folder: Path, key: str, kept: Mapping[str, NDArray[np.float32]]) -> None:
    """Write the vectors in the place of what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    names = np.frombuffer(json.dumps(list(kept)).encode(), np.uint8)
    np.savez(buffer, names=names, vectors=np.stack([*kept.values()]))
    file = folder / f"{key}-{zlib.crc32(buffer.getvalue()):08x}.npz"
    write_durably(file, buffer.getvalue())
    for path in {*folder.glob(f"{key}-*.npz")} - {file}:
        path.unlink(missing_ok=True)
    for path in sorted(folder.glob("*.np[yz]"), key=lambda path: path.stat().st_mtime)[:-FILES]:
        path.unlink(missing_ok=True)
