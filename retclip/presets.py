"""The named sets of settings: one name for each of the paper's systems, and one that needs no weights."""

from __future__ import annotations

from typing import Any

DEFAULT_PRESET = "appearance"
PRESETS: dict[str, dict[str, Any]] = {
    # No weights: superpixels, colour and texture, retrieval alone. Rank vote and k chosen by cross-validation on
    # CamVid's training images (benchmarks/README.md): histograms need no min-max, their distances have a scale.
    "appearance": {"retrieval": {"k": 8}, "plugin": {"retrieval": {"vote": {"vote": "rank"}}}},
}
