"""When two spellings are one class name: the key that the catalog, the vocabulary reader and label matching share."""

from __future__ import annotations

import unicodedata


def name_key(name: str) -> str:
    """Unicode NFKC, casefolded, white space collapsed: "Traffic  Light" and "traffic light" are one class."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
