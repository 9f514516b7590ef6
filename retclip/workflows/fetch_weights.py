"""Weights onto this machine: downloaded with resume or taken from a file, checked by sha256, pickles made safe.

Every file is written beside its place as `NAME.part` and renamed when its digest fits, so that what lies in the folder
is whole. `weights.json` there remembers digest and origin of each file; `verify` holds the files to it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from retclip.errors import DataError, WeightsMissing
from retclip.plugin.weights import WeightFile, Weights, folder_of, is_pickled, missing, stored_name

MANIFEST = "weights.json"
CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
HUB = "https://huggingface.co/"
Progress = Callable[[str, int, int], None]  # file, bytes here, bytes in all (0 = unknown)


@dataclass(frozen=True)
class Finding:
    """One file's state: ok, missing, changed or unrecorded."""

    path: str
    state: str


def pull(weights: Weights, offline: bool = False, token: str = "", on_progress: Progress = lambda *_: None) -> Path:
    """Download what is missing and return the folder. Raises WeightsMissing where it cannot be had, DataError where a
    file is not the one that was announced."""
    folder = folder_of(weights)
    lacking = [one for one in weights.files if one.path in missing(weights)]
    by_hand = [one.path for one in lacking if not one.url]
    if lacking and offline:
        names = ", ".join(one.path for one in lacking)
        raise WeightsMissing(f"{names} in {folder}", "nothing, and --offline", "pull without it, or import a file")
    if by_hand:
        raise WeightsMissing(
            f"a place to download {', '.join(by_hand)} from",
            f"none that a program may read; a person finds it at {weights.source}",
            f"download it there, then run `retclip weights import {weights.name} FILE`",
        )
    for one in lacking:
        part = _part(folder, one.path)
        said = _download(one, part, token, on_progress)
        _keep(weights, one, part, one.sha256 or said, one.url)
    return folder


def take(weights: Weights, file: Path, path: str = "") -> Path:
    """Take a file that a person has; `path` says which of several it is. Raises DataError."""
    known = {one.path: one for one in weights.files}
    chosen = known.get(path or file.name) or (weights.files[0] if len(known) == 1 and not path else None)
    if chosen is None:
        raise DataError(f"one of {', '.join(known)}", path or file.name, "say which one it is: --as NAME")
    part = _part(folder_of(weights), chosen.path)
    try:
        with file.open("rb") as source, part.open("wb") as target:
            while block := source.read(CHUNK):
                target.write(block)
    except OSError as error:
        raise DataError(f"a readable file {file}", str(error), "check the path") from error
    return _keep(weights, chosen, part, chosen.sha256, str(file))


def verify(weights: Weights) -> list[Finding]:
    """Each file against the digest that was written down when it came."""
    folder, recorded = folder_of(weights), _manifest(folder_of(weights))
    found = []
    for one in weights.files:
        name = stored_name(one.path)
        if not (folder / name).is_file():
            found.append(Finding(name, "missing"))
        elif name not in recorded:
            found.append(Finding(name, "unrecorded"))
        else:
            same = file_digest(folder / name) == recorded[name]["sha256"]
            found.append(Finding(name, "ok" if same else "changed"))
    return found


def file_digest(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(one: WeightFile, part: Path, token: str, on_progress: Progress) -> str:
    """Fetch into `part`, going on where an earlier try stopped; the digest that the server states, or ""."""
    try:
        with _answer(one.url, _headers(one, part, token)) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:  # of a file that is another by now
                part.unlink()
                return _download(one, part, token, on_progress)
            answer.raise_for_status()
            here = part.stat().st_size if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0
            total = here + int(answer.headers.get("content-length", 0))
            _tag(part).write_text(answer.headers.get("etag", ""), encoding="utf-8")
            with part.open("ab" if here else "wb") as file:
                for block in answer.iter_bytes():  # as they come, so that a break loses none
                    here += file.write(block)
                    on_progress(one.path, here, total)
            return _stated(answer)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        todo = "accept its licence on that page and set RETCLIP_WEIGHTS__TOKEN" if code in (401, 403) else "try again"
        raise WeightsMissing(f"{one.path} from {one.url}", f"HTTP {code}", todo) from error
    except httpx.HTTPError as error:
        todo = "run the same command again when the network is there (it goes on where it stopped), or import a file"
        raise WeightsMissing(f"{one.path} from {one.url}", f"{type(error).__name__}: {error}", todo) from error


def _answer(url: str, headers: dict[str, str]) -> AbstractContextManager[httpx.Response]:
    """httpx keeps the token to itself where a redirect leads to another host."""
    return httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT)


def _headers(one: WeightFile, part: Path, token: str) -> dict[str, str]:
    """Ask for the rest of a part, as long as the server still has the file that it is a part of."""
    headers = {"Accept-Encoding": "identity"}  # a packed answer has other lengths than the file
    tag = _tag(part).read_text(encoding="utf-8") if _tag(part).exists() else ""
    if part.exists() and part.stat().st_size:
        headers["Range"] = f"bytes={part.stat().st_size}-"
        if tag and not tag.startswith("W/"):
            headers["If-Range"] = tag
    if token and one.url.startswith(HUB):
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _stated(answer: httpx.Response) -> str:
    """The sha256 that the Hugging Face hub gives of a large file, on the redirect to its storage."""
    for one in (*answer.history, answer):
        tag = one.headers.get("x-linked-etag", "").strip('"')
        if len(tag) == hashlib.sha256().digest_size * 2:
            return str(tag)
    return ""


def _keep(weights: Weights, one: WeightFile, part: Path, expected: str, origin: str) -> Path:
    """Check the digest, make a pickle safe, move the file to its place, write down what it is."""
    came = file_digest(part)
    if expected and came != expected:
        part.unlink()
        _tag(part).unlink(missing_ok=True)
        todo = "get it again; nothing was kept"
        raise DataError(f"{one.path} with sha256 {expected}", f"sha256 {came}", todo)
    folder, name = folder_of(weights), stored_name(one.path)
    if is_pickled(one.path) and not _is_safetensors(part):
        _convert(part, one.path)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    digest = file_digest(part)
    part.replace(folder / name)
    _tag(part).unlink(missing_ok=True)
    entry = {"sha256": digest, "came_as": one.path, "came_with_sha256": came, "from": origin}
    text = json.dumps({**_manifest(folder), name: entry}, indent=2)
    temporary = folder / f".{MANIFEST}.tmp"
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)
    return folder / name


def _convert(part: Path, name: str) -> None:
    """A pickled checkpoint as safetensors: read with `weights_only`, so that no code in it runs. Raises DataError."""
    from retclip.plugin.checkpoints import read_pickled, write_safetensors

    tensors = read_pickled(part, name)
    written = part.with_name(part.name + ".safetensors")
    write_safetensors(tensors, written)
    written.replace(part)


def _is_safetensors(path: Path) -> bool:
    """Whether it starts as one: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _part(folder: Path, path: str) -> Path:
    part = folder / f"{path}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    return part


def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
