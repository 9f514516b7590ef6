"""What an import of a class file did, or would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from retclip.data.class_file.records import FileClass
from retclip.names import name_key
from retclip.store.records import Failure, StoreClass


@dataclass(frozen=True)
class ClassesMet:
    """How the classes of a file meet those of a store.

    new: classes that the store does not have.
    joined: by class of the file, the class of the store that its name means.
    taken: synonyms that are not added because another class of the store has them: (synonym, class of the file, class
    of the store).
    kinds: classes of the store that stay things, or stuff, although the file says otherwise.
    """

    new: tuple[str, ...] = ()
    joined: Mapping[str, str] = field(default_factory=dict)
    taken: tuple[tuple[str, str, str], ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """What an import stored.

    sha256: of the file.
    event: its number for `retclip undo`, None where nothing was stored.
    segments, photos: stored now; of a dry run, those that would be.
    per_class: these segments by class of the file, without those that count against it alone.
    negatives: segments that are negative examples from now on, of classes of the file; some were there already.
    present: segments that were there already.
    elsewhere: segments that another process is storing.
    photos_found, photos_missing: of those that were looked for, which were at hand.
    without_photo: segments that got no vector because their photo is not at hand.
    dropped: segments whose mask meets no cell of the backbone.
    failures: photos that could not be used.
    """

    file: str
    sha256: str
    dry_run: bool
    classes: ClassesMet
    event: int | None = None
    segments: int = 0
    photos: int = 0
    per_class: Mapping[str, int] = field(default_factory=dict)
    negatives: int = 0
    present: int = 0
    elsewhere: int = 0
    photos_found: int = 0
    photos_missing: int = 0
    without_photo: int = 0
    dropped: int = 0
    failures: tuple[Failure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def classes_met(theirs: Sequence[FileClass], mine: Sequence[StoreClass]) -> ClassesMet:
    """Return how the classes of a file meet a store's, by the rule for names: a name means the class that has it as its
    name or as an alias."""
    by_key = {name_key(term): store_class for store_class in mine for term in (*store_class.aliases, store_class.name)}
    new, joined, kinds = [], {}, []
    taken: list[tuple[str, str, str]] = []
    for file_class in theirs:
        store_class = by_key.get(name_key(file_class.name))
        if store_class is None:
            new.append(file_class.name)
        else:
            joined[file_class.name] = store_class.name
            if (
                file_class.thing is not None
                and store_class.is_thing is not None
                and file_class.thing != store_class.is_thing
            ):
                kinds.append(store_class.name)
        for synonym in file_class.synonyms:
            other = by_key.get(name_key(synonym))
            if other is not None and other is not store_class:
                taken.append((synonym, file_class.name, other.name))
    return ClassesMet(tuple(new), joined, tuple(taken), tuple(kinds))
