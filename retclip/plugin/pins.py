"""What holds a download to the file that was meant: the commit in its address, its sha256, or nothing that we know.

A branch moves: what `main` names today is another file tomorrow, and a store would hold vectors of both. So no address
may name one, and where no commit is known to us a person names it (`retclip weights pull NAME --revision COMMIT`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retclip.errors import ContractBroken, WeightsDamaged

if TYPE_CHECKING:
    from retclip.plugin.weights import WeightFile, Weights

HUB = "https://huggingface.co/"
REVISION = "{revision}"  # in an address, in the place of the commit that a person names
COMMIT = re.compile(r"[0-9a-f]{40}")
ON_HUB = re.compile(re.escape(HUB) + r".+?/resolve/([^/]+)/")
MOVING = {"main", "master", "head", "latest"}
PICKLED = (".pth", ".pt", ".bin", ".pkl", ".ckpt")
TENSORS = (".safetensors", *PICKLED)
ONE_PROJECT = 1  # a digest that a single project states may be its mistake
NOT_KNOWN = "not known to us"


def require_fixed(url: str, sha256: str) -> None:
    """Raises ContractBroken for an address that names a branch: on the Hugging Face hub anything but a commit,
    elsewhere a folder called main, master, head or latest where no digest holds the file."""
    on_hub = ON_HUB.match(url)
    moves = {part.lower() for part in url.split("/")[3:]} & MOVING
    revision = on_hub[1] if on_hub else "" if sha256 else next(iter(moves), "")
    if revision and revision != REVISION and not COMMIT.fullmatch(revision):
        todo = "report it to the plugin's author: a branch moves, a commit does not"
        raise ContractBroken(
            "an address of weights with a commit (40 hex digits) in it", f"{revision!r} in {url}", todo
        )


def require_size(file: WeightFile, length: int) -> None:
    """Raises WeightsDamaged where a file is not as long as the pinned one. length: bytes, 0 = nobody says."""
    if file.size and length and length != file.size:
        raise _not_pinned(file, f"{file.size} bytes", f"{length} bytes")


def require_digest(file: WeightFile, sha256: str, expected: str = "") -> None:
    """Raises WeightsDamaged where it is another file than the pinned one. sha256: 64 digits, "" = nobody says.
    expected: what the server says of its file, where no digest is pinned."""
    digest_expected = file.held or expected.lower()
    if digest_expected and sha256 and sha256.lower() != digest_expected:
        raise _not_pinned(file, f"sha256 {digest_expected}", f"sha256 {sha256.lower()}")


def _not_pinned(file: WeightFile, expected: str, got: str) -> WeightsDamaged:
    where = f" from {file.url}" if file.url else ""
    todo = "nothing was kept; try again, and where it stays so, import the pinned file from another source"
    return WeightsDamaged(f"{file.path} with {expected}{where}", got, todo)


def revision_of(file: WeightFile) -> str:
    """The commit of its repository, "" = none is known to us or it lies in none."""
    on_hub = ON_HUB.match(file.url)
    return on_hub[1] if on_hub and on_hub[1] != REVISION else ""


def pin_of(weights: Weights) -> str:
    """What holds the tensors of these weights, in one word.

    sha256: a digest that they are held to. revision: a commit, and what the server says. address: one that names no
    branch. by hand: a person downloads them. none: a person names the commit.
    """
    files = [file for file in weights.files if file.path.lower().endswith(TENSORS)] or list(weights.files)
    if any(REVISION in file.url for file in weights.files):
        return "none"
    if all(file.held for file in files):
        return "sha256"
    if not all(file.url for file in files):
        return "by hand"
    return "revision" if all(revision_of(file) or file.held for file in files) else "address"


def told_digest(file: WeightFile) -> str:
    """Its sha256 and how sure that is, for people."""
    if not file.sha256:
        return f"sha256 {NOT_KNOWN}"
    if file.projects == ONE_PROJECT:
        return f"sha256 {file.sha256}, stated by one project only and not held to"
    return f"sha256 {file.sha256}, stated by {f'{file.projects} projects' if file.projects else 'its publisher'}"


def told_pin(weights: Weights) -> str:
    """The digests of a set's tensors, or that there are none, for a cell."""
    files = [file for file in weights.files if file.path.lower().endswith(TENSORS)]
    return "; ".join(told_digest(file) for file in files) or told_digest(weights.files[0])
