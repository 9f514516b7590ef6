"""The names that an evaluation asks, for its `run.json`: a class scores the best of its terms, so that they decide the
figures as the classes do."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from retclip.data.class_names import names_digest
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import ImageSource
from retclip.types import Vocabulary


def asked_names(source: ImageSource, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return how many terms are asked, the sha256 over them, and the file that says them where one does.

    source: whose reader may name that file; vocabulary: its classes. Raises DataError where that file cannot be read.
    """
    terms = [[name, *more] for name, more in zip(vocabulary.names, vocabulary.synonyms, strict=True)]
    digest = hashlib.sha256(json.dumps(terms).encode()).hexdigest()
    listed = names_digest(source.reader_settings) if isinstance(source, CheckedSource) else None
    return {"classes": len(vocabulary), "terms": len(vocabulary.terms), "sha256": digest, "list": listed}
