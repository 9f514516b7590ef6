"""Class names as people write them: a comma list on the command line ('sky, "cup, paper"'), or a file
(`class_entries`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retclip.data.class_entries import MOST as MOST
from retclip.data.class_entries import ClassEntry, checked_entries, read_entries
from retclip.names import comma_list
from retclip.types import Vocabulary

FILES = (  # no class is called so; those that cannot be read are refused as what they are
    ".txt", ".names", ".lst", ".json", ".csv", ".tsv", ".yaml", ".yml", ".xml", ".pbtxt", ".jsonl", ".ndjson", ".xlsx",
    ".parquet",
)  # fmt: skip


def read_vocabulary(text: str) -> Vocabulary:
    """Return the vocabulary of a comma list, or of a file of classes. Raises DataError."""
    if text.lower().endswith(FILES) or _is_file(text):
        return _vocabulary(read_entries(Path(text)))
    return vocabulary_of(comma_list(text))


def vocabulary_of(names: Sequence[str]) -> Vocabulary:
    """Return plain names as a vocabulary of unknown kinds. Raises DataError."""
    return _vocabulary(checked_entries([ClassEntry(name) for name in names], "the list of classes"))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a comma list longer than any file name
        return False


def _vocabulary(entries: Sequence[ClassEntry]) -> Vocabulary:
    names, kinds = (entry.name for entry in entries), (entry.is_thing for entry in entries)
    return Vocabulary(tuple(names), tuple(kinds), tuple(entry.synonyms for entry in entries))
