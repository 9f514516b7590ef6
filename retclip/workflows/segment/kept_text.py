"""Text vectors of many names, kept as a file: a vocabulary of a thousand names with templates takes a text tower half a
minute, and is the same tomorrow.

A file is of one backbone with its settings, weight files, precision and versions, and of these names in this order. It
lies in the cache folder, may be deleted, and is not believed unless its checksum is that in its name.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retclip.own_files import write_durably
from retclip.plugin.weights import cache_folder_if_any
from retclip.workflows.segment.parts import Loaded

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone

NAMES_FROM = 64  # fewer are read as quickly as a file is looked for
FILES = 32  # kept, the newest; 1,203 names of 768 numbers take 3.7 MB
log = logging.getLogger(__name__)


def kept_text(backbone: Loaded[Backbone], names: Sequence[str], read: Callable[[], Tensor | None]) -> Tensor | None:
    """Return the text vectors (n, d) of names from the file that keeps them, else by `read`, and keep them.

    Only of a backbone with weight files: they and the version of its program say which vectors it makes.
    """
    cache = cache_folder_if_any() if backbone.files and len(names) >= NAMES_FROM else None
    if cache is None:
        return read()
    try:
        key, folder = _key(backbone, names), cache / "text"
        kept = _loaded(folder, key, (len(names), backbone.component.space.dim))
    except OSError as error:
        log.info("text vectors are not kept: %s", error)
        return read()
    if kept is not None:
        return kept.to(backbone.device.torch_device)
    vectors = read()
    if vectors is not None:
        with suppress(OSError):
            _keep(folder, key, vectors)
    return vectors


def _key(backbone: Loaded[Backbone], names: Sequence[str]) -> str:
    """Compute what the vectors depend on, as a name. Raises OSError for weights that went away."""
    program = Path(inspect.getfile(type(backbone.component))).parent
    sources = sorted(program.glob("*.py"))
    files = [*sorted(backbone.files.values()), *sources]
    facts = [
        backbone.name, backbone.version, backbone.distribution, backbone.component.space.id, dict(backbone.settings),
        astuple(backbone.device)[:2], torch.__version__,
        [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files], list(names),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _loaded(folder: Path, key: str, shape: tuple[int, int]) -> Tensor | None:
    """Read kept vectors; None without them, and for a damaged file, which goes."""
    for path in folder.glob(f"{key}-*.npy"):
        content = path.read_bytes()
        if path.stem == f"{key}-{zlib.crc32(content):08x}":
            vectors = np.load(io.BytesIO(content), allow_pickle=False)
            if vectors.shape == shape:
                return torch.from_numpy(vectors)
        path.unlink(missing_ok=True)
    return None


def _keep(folder: Path, key: str, vectors: Tensor) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, vectors.float().cpu().numpy(), allow_pickle=False)
    write_durably(folder / f"{key}-{zlib.crc32(buffer.getvalue()):08x}.npy", buffer.getvalue())
    for path in sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)[:-FILES]:
        path.unlink(missing_ok=True)
