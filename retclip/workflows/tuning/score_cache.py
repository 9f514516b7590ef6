"""The folder of cached scores: `scores.json` says of what they are, `texts.npz` has the vectors of the names, and each
photo has a file (`scored_photo`).

Killed and started again, a pass goes on with the photos that have no file yet. A cache is used only where it fits: the
same source and classes, models and weights, and the store as it was. What may differ is what is tried on it: the
ensemble, the vote, fewer neighbours, the merge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from retclip.documents import as_read, first_fault, json_digest, read_json
from retclip.errors import ConfigError, DataError
from retclip.own_files import claim_folder, is_own_folder, write_json, written_whole
from retclip.types import REST, FeatureSpace, Vocabulary
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.explain.evidence_arrays import plain
from retclip.workflows.tuning.scored_photo import ScoredPhoto, load_scores, save_scores

KIND, HEAD, TEXTS, VERSION = "scores", "scores.json", "texts.npz", 2
FREE = ("settings", "neighbours")  # of a head: what the scores do not depend on
TODO = "remove the folder and tune again"


@dataclass(frozen=True)
class ScoresHead:
    """Of what the scores are.

    source: its address; images: how many it has.
    names, kinds, synonyms: of its classes.
    seen: (c,) the classes that an in-vocabulary head was trained on, as the ensemble reads them.
    groups: (c,) the classes that count as seen in the figures; None = nobody says.
    missing: classes that the store lacks.
    provides: what the proposer says of its masks.
    space: of the vectors, as its fields.
    neighbours: how many were kept, of all classes or of each; 0 = nobody votes.
    origin: models, weights, store and settings that the scores depend on.
    settings: `ensemble`, `retrieval` and `segment` as they were set, and those of each classifier.
    rest: stored classes that are none of the source's and compete as one class more, which `seen` has, too
    (`segment.unasked`).
    """

    source: str
    images: int
    names: tuple[str, ...]
    kinds: tuple[bool | None, ...]
    synonyms: tuple[tuple[str, ...], ...]
    seen: tuple[bool, ...]
    groups: tuple[bool, ...] | None
    missing: tuple[str, ...]
    provides: tuple[str, ...]
    space: Mapping[str, Any]
    neighbours: int
    origin: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    rest: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 over everything but the settings that may be tried."""
        return json_digest({key: value for key, value in asdict(self).items() if key not in FREE})

    def differing(self, other: ScoresHead) -> list[str]:
        """Return what differs between both, in words."""
        first, second = (as_read(asdict(head)) for head in (self, other))
        names = [key for key in first if key not in (*FREE, "origin") and first[key] != second[key]]
        origins = first["origin"].keys() | second["origin"].keys()
        return names + sorted(key for key in origins if first["origin"].get(key) != second["origin"].get(key))


class ScoreCache:
    """The cached scores of one source.

    head: of what they are; folder: where they lie.
    """

    def __init__(self, folder: Path, head: ScoresHead, text: Tensor | None = None) -> None:
        self.folder, self.head, self.text = folder, head, text

    @classmethod
    def started(cls, folder: Path, head: ScoresHead, text: Tensor | None) -> ScoreCache:
        """Make a cache, or take up one that fits. text: (r, d) vectors of the names' terms; None = there are none.

        Raises ConfigError for one that does not fit, DataError for one that cannot be read or written.
        """
        claim_folder(folder, KIND)
        if (folder / HEAD).exists():
            earlier = cls.opened(folder)
            if earlier.head.digest != head.digest or earlier.head.neighbours < head.neighbours:
                raise _unfit(folder, earlier.head, head)
            return earlier
        if text is not None:
            with written_whole(folder / TEXTS) as temporary, temporary.open("wb") as file:
                np.savez(file, text=plain(text))
        document = {"format": "retclip-scores", "version": VERSION, "digest": head.digest, **asdict(head)}
        write_json(folder / HEAD, document)
        return cls(folder, head, text)

    @classmethod
    def opened(cls, folder: Path) -> ScoreCache:
        """Return the cache that lies in a folder; no model is needed. Raises ConfigError, DataError."""
        if not is_own_folder(folder, KIND) or not (folder / HEAD).is_file():
            todo = "name a folder of scores that `retclip tune --out` wrote, e.g. OUT/scores"
            raise ConfigError("a folder of cached scores", str(folder), todo)
        document = read_json(folder / HEAD, "head of cached scores")
        if not isinstance(document, dict) or document.get("version") != VERSION:
            got = document.get("version") if isinstance(document, dict) else type(document).__name__
            raise DataError(f"cached scores of version {VERSION}: {folder / HEAD}", f"version {got}", TODO)
        try:
            head = TypeAdapter(ScoresHead).validate_python(document)
        except ValidationError as error:
            raise DataError(f"a head of cached scores: {folder / HEAD}", first_fault(error), TODO) from error
        if document.get("digest") != head.digest:
            raise DataError(f"a head of cached scores: {folder / HEAD}", "a digest of other scores", TODO)
        return cls(folder, head, _text_in(folder / TEXTS))

    def path(self, number: int) -> Path:
        """Return where the scores of a photo lie. number: its position in the source, from 0."""
        return self.folder / f"{number:06}.npz"

    def __contains__(self, number: int) -> bool:
        return self.path(number).exists()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the photos whose scores are there, rising."""
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]" * 6 + ".npz"))

    def __len__(self) -> int:
        return len(self.numbers)

    def save(self, photo: ScoredPhoto) -> None:
        """Write the scores of a photo. Raises DataError where the disk is full, say."""
        try:
            save_scores(self.path(photo.number), photo)
        except OSError as error:
            raise DataError(f"a folder that can be written: {self.folder}", str(error), "make room") from error

    def photos(self) -> Iterator[ScoredPhoto]:
        """Yield the photos in the order of the source. Raises DataError for a damaged file."""
        return (self.photo(number) for number in self.numbers)

    def photo(self, number: int) -> ScoredPhoto:
        """Return the scores of a photo. Raises DataError."""
        return load_scores(self.path(number), self.space, torch.tensor(self.head.seen, dtype=torch.bool))

    @cached_property
    def space(self) -> FeatureSpace:
        """The feature space of the masks' vectors."""
        return FeatureSpace(**self.head.space)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The classes that masks are scored for, with the text vectors of their terms."""
        head = self.head
        if not head.rest:
            return Vocabulary(head.names, head.kinds, head.synonyms, self.text)
        names, kinds, synonyms = (*head.names, REST), (*head.kinds, False), (*head.synonyms, head.rest)
        return Vocabulary(names, kinds, synonyms, self.text, has_rest=True)

    def counters(self) -> Counters:
        """Return empty counters of the classes."""
        return Counters(self.head.names, self.head.kinds)


def _text_in(file: Path) -> Tensor | None:
    """Return the vectors of the names' terms; None where there are none. Raises DataError."""
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as archive:
            return torch.from_numpy(archive["text"])
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for damaged files
        raise DataError(f"text vectors of cached scores: {file}", str(error), TODO) from error


def _unfit(folder: Path, earlier: ScoresHead, head: ScoresHead) -> ConfigError:
    todo = f"choose a new --out, or remove {folder}: the photos go through the models once more"
    if earlier.digest == head.digest:
        got = f"{earlier.neighbours} of each mask"
        return ConfigError(f"cached scores with {head.neighbours} neighbours, the largest k that is asked", got, todo)
    changed = ", ".join(earlier.differing(head))
    return ConfigError("cached scores of this source, these models and this store", f"others: {changed} differ", todo)
