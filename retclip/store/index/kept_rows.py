"""The sorted rows of an index in memory, kept as a file beside the store: a process maps it instead of reading SQL and
archive again.

The file is a copy like any index, and may be deleted. It says up to which row of the outbox it has followed, and holds
a mark of that row: rows after it are applied as in any index in memory (stores.md 2.3). Where the catalog has no such
row with that mark (it was restored from a backup, or is another store's), the file is stale and goes.

Written to a temporary name, fsync, rename, fsync of the folder: it is whole or not there. One process writes at a time;
another does without. Who has mapped an old file keeps it. Writes to mapped rows stay in the process.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from retclip.algorithms.precision import bfloat16_is_faster
from retclip.own_files import sync_path
from retclip.store.crash_points import reach
from retclip.store.index.coarse_keys import Coarse
from retclip.store.index.kept_files import writing
from retclip.store.index.sorted_rows import SortedRows, coarse_of

FORMAT = "1"
KEPT_FROM = 512  # rows from which mapping a file is worth writing it
FREE_BYTES = 1 << 30  # to be left free on the disk
log = logging.getLogger(__name__)


def load(path: Path, device: torch.device, mark_of: Callable[[int], str | None]) -> tuple[SortedRows, int] | None:
    """Map the kept rows: (rows, the newest row of the outbox that they have seen). None if there are none, or they are
    damaged or stale: then the file goes.

    mark_of: reads the mark of a row of the outbox, None without such a row.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        last_row = int(about["row"])
        if about["format"] != FORMAT or mark_of(last_row) != about["mark"]:
            raise ValueError("stale")
        if _checksum(tensors) != about["crc32"]:
            raise ValueError("damaged")
    except (FileNotFoundError, PermissionError):
        return None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        log.info("the rows kept in %s are not used: %s", path, error)
        with suppress(OSError):
            path.unlink()
        return None
    vectors, coarse = tensors["vectors"].to(device), None
    if "coarse" in tensors and bfloat16_is_faster(str(device), vectors.shape[1]):
        coarse = Coarse(tensors["coarse"], float(about["rounding"]))
    ids, payload = tensors["ids"].numpy().view(np.uint64), tensors["payload"].numpy()
    return SortedRows(ids, payload, vectors, tensors["ranks"].to(device), coarse or coarse_of(vectors)), last_row


def keep(path: Path, rows: SortedRows, last_row: int, mark: str) -> bool:
    """Write the file; tells whether it was. Without room, in a folder that cannot be written, and while another process
    writes, it is not.

    last_row: the newest row of the outbox that the rows have seen.
    mark: of that row.
    """
    tensors = {"vectors": rows.vectors.cpu(), "ranks": rows.ranks.cpu()}
    tensors |= {"ids": torch.from_numpy(rows.ids.view(np.int64)), "payload": torch.from_numpy(rows.payload)}
    about = {"format": FORMAT, "row": str(last_row), "mark": mark}
    if rows.coarse is not None:
        tensors["coarse"], about["rounding"] = rows.coarse.keys.cpu(), repr(rows.coarse.rounding)
    about["crc32"] = _checksum(tensors)
    size = sum(tensor.nbytes for tensor in tensors.values())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as temporary:
            if shutil.disk_usage(path.parent).free < size + FREE_BYTES:
                raise OSError(f"{path.parent} has less than {(size + FREE_BYTES) >> 20} MB free")
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, about)
            temporary.chmod(path.parent.stat().st_mode & 0o666)  # who may use the store may use this
            sync_path(temporary)
            reach("rows written")
            temporary.replace(path)
            reach("rows renamed")
            sync_path(path.parent)
    except (OSError, SafetensorError) as error:
        log.info("rows are not kept: %s", error)
        return False
    return True


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Compute a checksum of what decides which vectors are candidates and whose they are: of everything, but beside a
    coarse copy not of the exact vectors, which are twice as large as the rest, are read for candidates alone, and are
    compared by `doctor`."""
    crc = 0
    for name, tensor in sorted(tensors.items()):
        if name != "vectors" or "coarse" not in tensors:
            crc = zlib.crc32(tensor.contiguous().view(torch.uint8).numpy().data, crc)
    return str(crc)
