"""Weights onto this machine from where they are published, gone on with where a download stopped.

Every file is written beside its place as `NAME.part` until it is whole and `keep_weights` has checked it. One program
at a time downloads a set; who comes later waits and finds it. A file that is not the pinned one is refused (exit code
6), before it is fetched where the server already says so.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

import httpx

from retclip.errors import ConfigError, DataError, WeightsDamaged, WeightsMissing
from retclip.plugin.pins import COMMIT, HUB, REVISION, pin_of, require_digest, require_size
from retclip.plugin.stand_ins import PAGE
from retclip.plugin.weights import WeightFile, Weights, at_revision, folder_of, missing, not_installed
from retclip.progress import OnProgress, Progress, silent
from retclip.workflows.weights.keep_weights import discard, keep, part_of, tag_of
from retclip.workflows.weights.weights_lock import alone

TIMEOUT = 30.0  # seconds without a byte


def pull(
    weights: Weights,
    offline: bool = False,
    token: str = "",
    on_progress: OnProgress = silent,
    revision: str = "",
) -> Path:
    """Download the missing files and return the folder.

    offline: refuse instead of downloading.
    token: for hubs that ask who you are; "" = none.
    revision: the commit to take, for weights without a known one.
    on_progress: gets the bytes of each file, and a note where another program is at work on the folder.

    Raises WeightsMissing where they cannot be had, WeightsDamaged where a file is not the pinned one, DataError for one
    that is no checkpoint, ConfigError for a revision that is no commit or another than the pinned one.
    """
    if revision:
        weights = _from_commit(weights, revision)
    folder, lacking = folder_of(weights), _lacking(weights)
    if lacking and weights.distribution:
        raise not_installed((weights,))
    by_hand = [weight_file for weight_file in lacking if not weight_file.url]
    if lacking and offline:
        names = ", ".join(weight_file.path for weight_file in lacking)
        got = "nothing, and --offline or weights.offline = true"
        todo = f"pull without it, or `retclip weights import {weights.name} FILE`"
        raise WeightsMissing(f"{names} in {folder}", got, todo)
    if by_hand:
        raise WeightsMissing(
            f"a place to download {', '.join(weight_file.path for weight_file in by_hand)} from",
            f"none that a program may read; a person finds it at {by_hand[0].page or weights.source}",
            f"download it there, then run `retclip weights import {weights.name} FILE`",
        )
    if any(REVISION in weight_file.url for weight_file in lacking):
        raise WeightsMissing(
            f"the commit to download {weights.name} from",
            "none that is known to us, and a branch may hold another file tomorrow",
            f"choose one of {weights.source}/commits/main, then run the same command with --revision COMMIT",
        )
    if lacking:
        with alone(weights, on_progress):
            for weight_file in _lacking(weights):  # what another program has fetched meanwhile is here
                part = part_of(folder, weight_file.path)
                stated_digest = _download(weights, weight_file, part, token, on_progress)
                keep(weights, weight_file, part, weight_file.held or stated_digest, weight_file.url)
    return folder


def _lacking(weights: Weights) -> list[WeightFile]:
    absent = missing(weights)
    return [weight_file for weight_file in weights.files if weight_file.path in absent]


def _from_commit(weights: Weights, revision: str) -> Weights:
    if not COMMIT.fullmatch(revision):
        todo = f"copy one from {weights.source}/commits/main"
        raise ConfigError("a commit, 40 hex digits in small letters", repr(revision), todo)
    if pin_of(weights) != "none":
        todo = "leave --revision away, or import a file that you have"
        raise ConfigError(f"weights of which no commit is known to us, for --revision {revision}", weights.name, todo)
    return at_revision(weights, revision)


def _download(weights: Weights, weight_file: WeightFile, part: Path, token: str, on_progress: OnProgress) -> str:
    """Fetch into `part`, going on where an earlier try stopped; the digest that the server states, or ""."""
    try:
        stated_digest = _fetched(weight_file, part, token, on_progress)
        if stated_digest is None:  # of another version, or longer than the file
            discard(part)
            stated_digest = _fetched(weight_file, part, token, on_progress)
        return stated_digest or ""
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        todo = f"try again later, or get it from {weights.source}: retclip weights import {weights.name} FILE"
        if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            todo = f"accept its licence on {weights.source} and set RETCLIP_WEIGHTS__TOKEN"
        raise WeightsMissing(f"{weight_file.path} from {weight_file.url}", f"HTTP {code}", todo) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        todo = "run the same command again when the network is there (it goes on where it stopped), or import a file"
        raise WeightsMissing(
            f"{weight_file.path} from {weight_file.url}", f"{type(error).__name__}: {error}", todo
        ) from error


def _fetched(weight_file: WeightFile, part: Path, token: str, on_progress: OnProgress) -> str | None:
    """One try; None where the rest that was asked for does not fit what is here. Raises what httpx raises."""
    received = part.stat().st_size if part.exists() else 0
    with _answer(weight_file.url, _headers(weight_file, part, token)) as answer:
        start, total = _range(answer)
        if received and answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            stated_digest = _stated(answer)
            # Without a stated length the digest decides whether the file is complete.
            complete = total == received if total else bool(weight_file.held or stated_digest)
            return stated_digest if complete else None
        answer.raise_for_status()
        is_part = answer.status_code == httpx.codes.PARTIAL_CONTENT
        total = total if is_part else _length(answer)
        _require_announced(weight_file, answer, total)
        if not is_part:
            received = 0
        elif start != received:
            return None
        tag_of(part).write_text(answer.headers.get("etag", ""), encoding="utf-8")
        with part.open("ab" if received else "wb") as file:
            for block in answer.iter_bytes():  # as they come, so that a break loses none
                received += file.write(block)
                on_progress(Progress(weight_file.path, received, total))
        if total and received != total:
            raise httpx.ReadError(f"{received} of {total} bytes came")
        return _stated(answer)


def _require_announced(weight_file: WeightFile, answer: httpx.Response, total: int) -> None:
    """Raises WeightsDamaged where the server already says that its file is not the pinned one, DataError where that
    is a page for people. total: the length of the whole, 0 = it does not say."""
    try:
        require_digest(weight_file, _stated(answer))
        require_size(weight_file, total)
    except WeightsDamaged as error:
        if answer.headers.get("content-type", "").lower().startswith("text/html"):
            todo = "nothing was kept; open the address in a browser to see what it wants"
            raise DataError(f"{weight_file.path} from {weight_file.url}", PAGE, todo) from error
        raise


def _length(answer: httpx.Response) -> int:
    """Return the length of a whole file in bytes; 0 = not stated, or the file comes compressed."""
    packed = answer.headers.get("content-encoding", "identity") != "identity"
    return 0 if packed else int(answer.headers.get("content-length", 0))


def _range(answer: httpx.Response) -> tuple[int, int]:
    """Return the place of a part in a file and the file's length; 0 = not stated."""
    match = re.match(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("content-range", ""))
    start, total = match.groups() if match else (None, None)
    return int(start or 0), int(total) if total and total != "*" else 0


def _answer(url: str, headers: dict[str, str]) -> AbstractContextManager[httpx.Response]:
    """httpx keeps the token to itself where a redirect leads to another host."""
    return httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT)


def _headers(weight_file: WeightFile, part: Path, token: str) -> dict[str, str]:
    """Ask for the rest of a part, as long as the server still has the file that it is a part of."""
    headers = {"Accept-Encoding": "identity"}  # a packed answer has other lengths than the file
    tag = tag_of(part).read_text(encoding="utf-8") if tag_of(part).exists() else ""
    if part.exists() and part.stat().st_size:
        headers["Range"] = f"bytes={part.stat().st_size}-"
        if tag and not tag.startswith("W/"):
            headers["If-Range"] = tag
    if token and weight_file.url.startswith(HUB):
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _stated(answer: httpx.Response) -> str:
    """Return the sha256 that the Hugging Face hub states for a large file, on the redirect to its storage."""
    for response in (*answer.history, answer):
        tag = response.headers.get("x-linked-etag", "").strip('"')
        if re.fullmatch(r"[0-9a-fA-F]{64}", tag):
            return str(tag)
    return ""
