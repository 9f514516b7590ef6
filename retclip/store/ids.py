"""Deterministic ids: the name of a slot, not of the bits in it.

Mask pixels differ between GPUs, so an id hashed from them would change with one border pixel and a rebuild would
double the store. A slot is (image, proposer, prompt, ordinal); the ordinal counts a prompt's segments in one image by
falling score. The same id serves in every feature space (stores.md 3). A new version of a
proposer, or another setting of it, fills the same slots again: it replaces what it made before. Prompts count by their
name key: "Kayak" and "kayak" are one class and one slot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from retclip.names import name_key

NAMESPACE = UUID("6c0f1c59-5f43-5a3c-9d0a-52e7c11f0b7e")
NAME_WIDTH = 256  # characters that are kept of an image's name


def stored_name(external_id: str) -> str:
    """Shorten an image's name to what the catalog keeps of it."""
    return external_id[:NAME_WIDTH]


def digest(*parts: str) -> str:
    """Compute the sha256 over the parts, in order, as 64 hexadecimal digits. ("a", "bc") and ("ab", "c") differ."""
    joined = json.dumps(parts, ensure_ascii=True)
    return hashlib.sha256(joined.encode()).hexdigest()


def segment_id(image_sha256: str, proposer: str, prompt: str, ordinal: int) -> UUID:
    """Make the UUIDv5 of a slot.

    ordinal: of the prompt's segments in the image, by falling score, from 0 on.
    """
    return uuid5(NAMESPACE, json.dumps([image_sha256, proposer, name_key(prompt), ordinal]))


def recipe_fingerprint(proposer: str, version: str, settings: Mapping[str, Any]) -> str:
    """Digest the makers of masks: the proposer, its version and its settings; weights belong to its settings."""
    return digest(proposer, version, json.dumps(settings, sort_keys=True, default=str))


def unit_key(image_sha256: str, annotation: str, recipe: str, space: str, classes: Iterable[str]) -> str:
    """Make the key of a unit of work: an image with an annotation, a recipe, a feature space, classes."""
    return digest(image_sha256, annotation, recipe, space, *sorted(map(name_key, classes)))


def failed_key(source: str, external_id: str) -> str:
    """Make the key of an unreadable image, which has no digest of its own."""
    return digest("unreadable", source, external_id)
