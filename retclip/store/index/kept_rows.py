"""The sorted rows of an index in memory, kept as a file beside the store: a process maps it instead of reading SQL and
archive again.

The file is a copy like any index, and may be deleted. It says up to which row of the outbox it has followed, and holds
a mark of that row: rows after it are applied as in any index in memory (stores.md 2.3). Where the catalog has no such
row with that mark (it was restored from a backup, or is another store's), the file is stale and goes.

All that decides which vectors are candidates and whose they are is compared with a checksum when the file is mapped.
Beside a coarse copy the exact vectors are not: they are twice as large as the rest and read for candidates alone. Each
is held to its sum (`row_sums`) when it is first read for a score. What changes in the file after that, beneath a
process that has it mapped, is not seen.

Written to a temporary name, fsync, rename, fsync of the folder: it is whole or not there. One process writes at a time;
another does without. Who has mapped an old file keeps it. Writes to mapped rows stay in the process.
"""

from __future__ import annotations

import json
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
from retclip.file_stamp import stamp_of
from retclip.own_files import sync_path
from retclip.store.crash_points import reach
from retclip.store.index.coarse_keys import Coarse
from retclip.store.index.kept_files import writing
from retclip.store.index.row_sums import RowSums
from retclip.store.index.sorted_rows import SortedRows, coarse_of

FORMAT = "2"
KEPT_FROM = 512  # rows from which mapping a file is worth writing it
FREE_BYTES = 1 << 30  # to be left free on the disk
log = logging.getLogger(__name__)


class _Stale(ValueError):
    """Rows that are whole and not those of this catalog."""


def load(path: Path, device: torch.device, mark_of: Callable[[int], str | None]) -> tuple[SortedRows, int] | None:
    """Map the kept rows: (rows, the newest row of the outbox that they have seen). None if there are none, or they are
    damaged or stale: then the file goes.

    mark_of: reads the mark of a row of the outbox, None without such a row.
    """
    found = stamp_of(path)
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        last_row = int(about["row"])
        if about["format"] != FORMAT or mark_of(last_row) != about["mark"]:
            raise _Stale("they are another catalog's, or another version's")
        is_coarse = "coarse" in tensors and bfloat16_is_faster(str(device), tensors["vectors"].shape[1])
        if _checksum(tensors, about, not is_coarse) != about["beside" if is_coarse else "whole"]:
            raise ValueError("they are damaged: their checksum is another one")
    except PermissionError:
        return None
    except (SafetensorError, OSError, LookupError, ValueError, RuntimeError) as error:  # the last where mapping fails
        if found is None or stamp_of(path) != found:
            return None  # header and tensors are opened one after the other: another process removed or replaced it
        level = logging.INFO if isinstance(error, _Stale) else logging.WARNING
        log.log(level, "the rows kept in %s are not used, but made again from the archive: %s", path, error)
        with suppress(OSError):
            path.unlink()
        return None
    vectors, coarse = tensors["vectors"].to(device), None
    if is_coarse:
        coarse = Coarse(tensors["coarse"], float(about["rounding"]), RowSums.kept(tensors["sums"].numpy()))
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
        tensors["sums"] = torch.from_numpy(rows.coarse.sums.sums)
    about |= {"beside": _checksum(tensors, about, False), "whole": _checksum(tensors, about, True)}
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


def _checksum(tensors: Mapping[str, Tensor], about: Mapping[str, str], with_vectors: bool) -> str:
    """Compute a checksum of what the header says and of every tensor, of the vectors only if they are not to be held to
    their sums."""
    said = [about.get(name) for name in ("format", "row", "mark", "rounding")]
    shapes = [(name, str(tensor.dtype), list(tensor.shape)) for name, tensor in sorted(tensors.items())]
    crc = zlib.crc32(json.dumps([said, shapes]).encode())
    for name, tensor in sorted(tensors.items()):
        if name != "vectors" or with_vectors:
            crc = zlib.crc32(tensor.contiguous().view(torch.uint8).numpy().data, crc)
    return str(crc)
