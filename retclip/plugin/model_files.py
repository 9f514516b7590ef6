"""The file or folder of a model that a setting names: published weights, or the user's own.

Read `weights.py` first: it says where weights lie and what is told where they are not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from retclip.errors import WeightsMissing
from retclip.plugin.local_files import local_file
from retclip.plugin.stand_ins import stand_in
from retclip.plugin.weights import Weights, located, note_used, path_of, require

PRETRAINED = (".safetensors", ".bin", ".json", ".txt", ".model")  # what of a folder transformers may read


def model_file(name: str, published: Mapping[str, Weights], setting: str) -> Path:
    """Return the safetensors file of published weights, or the user's own.

    name: of published weights, or a path.
    setting: the key that holds it, for the error.
    Raises WeightsMissing.
    """
    if name in published:
        weights = published[name]
        require((weights,))
        return path_of(weights, weights.files[0])
    path = local_file(name)
    if not path.is_file():
        names = ", ".join([*published, "or a .safetensors file"])
        todo = f"correct `{setting}`: {names} (`retclip weights import` makes one of a pickled checkpoint)"
        raise WeightsMissing(f"a .safetensors file {path}", "none there", todo)
    _require_themselves([path], setting)
    return path


def model_folder(name: str, published: Mapping[str, Weights], setting: str) -> Path:
    """Return the folder, in transformers' form, of published weights, or the user's own.

    name: of published weights, or a path.
    setting: the key that holds it, for the error.
    Raises WeightsMissing.
    """
    if name in published:
        return located(published[name])
    folder = local_file(name)
    if not (folder / "config.json").is_file():
        todo = f"correct `{setting}`: {', '.join(published)}, or a folder that save_pretrained wrote"
        raise WeightsMissing(f"a model in {folder}", "no config.json there", todo)
    files = [path for path in sorted(folder.iterdir()) if path.suffix in PRETRAINED and path.is_file()]
    _require_themselves(files, setting)
    for path in files:
        note_used(f"{folder.absolute().name}/{path.name}", path)
    return folder


def _require_themselves(files: Iterable[Path], setting: str) -> None:
    """Raises WeightsMissing where a pointer or a page lies in the place of one."""
    for path in files:
        if instead := stand_in(path):
            todo = f"fetch the file itself, or correct `{setting}`"
            raise WeightsMissing(f"the weights themselves in {path}", instead, todo)
