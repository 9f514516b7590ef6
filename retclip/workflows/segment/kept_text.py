"""Text vectors of names, kept as a file: a thousand names with templates take a text tower minutes, and are the same
tomorrow.

A file is of one backbone with its settings, precision, versions (its distribution's, torch's, the text libraries') and
weight files, which are told by their stamps, not read: every name that it has read so far, so that a name more costs
one. It lies in the cache folder, may be deleted, and is not believed unless its checksum is that in its name. A vector
kept from one batch may differ in the last digit (by 6e-8) from the same name's read in another batch.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import io
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.file_stamp import stamp_of
from retclip.own_files import write_durably
from retclip.plugin.read_names import tell_read_alike
from retclip.plugin.weights import cache_folder_if_any
from retclip.workflows.segment.parts import Loaded

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone

Rows = dict[str, NDArray[np.float32]]  # of each name its vector (d,)
FILES = 32  # kept, the newest; 1,203 names of 768 numbers take 3.7 MB
MOST = 20_000  # names of a file; one that would hold more is begun anew
LIBRARIES = ("open_clip_torch", "transformers", "tokenizers", "ftfy")  # distributions that make tokens of a name
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
            _keep(folder, key, rows)
    found = np.stack([kept[name] for name in names])
    _tell_alike(names, found, set(new), backbone.name)
    return torch.from_numpy(found).to(backbone.device.torch_device)


def _tell_alike(names: Sequence[str], vectors: NDArray[np.float32], told: set[str], backbone: str) -> None:
    """Log the names that have one vector, but for those `told`: the tower tells it of names that it reads together."""
    groups: dict[bytes, list[str]] = {}
    for name, vector in zip(names, vectors, strict=True):
        groups.setdefault(vector.tobytes(), []).append(name)
    for number, group in enumerate(groups.values()):
        if len(set(group)) > 1 and not told.issuperset(group):
            tell_read_alike({name: [number] for name in group}, backbone)


def _key(backbone: Loaded[Backbone]) -> str:
    """Compute what the vectors depend on, as a name. Raises OSError for weights that went away."""
    program = Path(inspect.getfile(type(backbone.component))).parent
    files = [*sorted(backbone.files.values()), *sorted(program.glob("*.py"))]
    stamps = {str(path): stamp_of(path) for path in files}  # the inode and its change time: `cp -p` keeps size and time
    if None in stamps.values():
        raise FileNotFoundError(", ".join(path for path, stamp in stamps.items() if stamp is None))
    facts = [
        backbone.name, backbone.version, backbone.distribution, backbone.component.space.id, dict(backbone.settings),
        astuple(backbone.device)[:2], torch.__version__, [_version(library) for library in LIBRARIES], stamps,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _version(distribution: str) -> str:
    """Return the version that is installed, "" where none is."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of kept vectors in this block; it lies beside their folder, and file systems without locks have
    none."""
    descriptor = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _loaded(folder: Path, key: str, dim: int) -> Rows:
    """Read kept vectors; a damaged file goes."""
    kept: Rows = {}
    for path in folder.glob(f"{key}-*.npz"):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # another process wrote a longer one in its place
            continue
        if path.stem == f"{key}-{zlib.crc32(content):08x}":
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                names, vectors = json.loads(arrays["names"].tobytes()), arrays["vectors"]
            if vectors.shape == (len(names), dim):
                kept |= zip(names, vectors, strict=True)
                continue
        path.unlink(missing_ok=True)
    return kept


def _keep(folder: Path, key: str, rows: Rows) -> None:
    """Write vectors beside those that lie there by now: another process may have kept other names meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        whole = rows | _loaded(folder, key, len(next(iter(rows.values()))))
        _write(folder, key, whole if len(whole) <= MOST else rows)


def _write(folder: Path, key: str, kept: Rows) -> None:
    """Write the vectors in the place of what was there."""
    buffer = io.BytesIO()
    names = np.frombuffer(json.dumps(list(kept)).encode(), np.uint8)
    np.savez(buffer, names=names, vectors=np.stack([*kept.values()]))
    file = folder / f"{key}-{zlib.crc32(buffer.getvalue()):08x}.npz"
    write_durably(file, buffer.getvalue())
    for path in {*folder.glob(f"{key}-*.npz")} - {file}:
        path.unlink(missing_ok=True)
    for path in sorted(folder.glob("*.np[yz]"), key=lambda path: path.stat().st_mtime)[:-FILES]:
        path.unlink(missing_ok=True)
