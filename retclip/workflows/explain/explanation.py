"""An explanation: a label, the scores of each classifier, the vote, and the nearest stored segments.

`workflows.explain` makes it; everything in it was looked up at that time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.errors import ConfigError, DataError
from retclip.names import LabelMatch
from retclip.own_files import require_replaceable
from retclip.store.records import StoredSegment
from retclip.types import REST, SegmentInfo
from retclip.workflows.explain.margin import Margin
from retclip.workflows.explain.near_prototypes import NearPrototype
from retclip.workflows.explain.what_if import WhatIf

SHOWN_VOTES = 5  # classes in a line of text

Painter = Callable[["Explanation"], NDArray[np.uint8]]


@dataclass(frozen=True)
class ExplainedNeighbour:
    """One of the nearest stored segments, as it was at the time of the decision (distance, label) and as it is stored
    now.

    class_then: its label at that time.
    stored: the segment as it is stored now, None where it is gone.
    share: its contribution to the retrieval score of its class; None where the classifier does not give it.
    effect: what its class would lose without it, by a classifier that neighbours teach; None where there is none.
    barred: whether the negative examples of its class kept it from voting (`algorithms.negative_examples`).
    decorrelated: the distance that was compared with theirs; None where its class has none.
    vector_run, vector_components: the run that made its vector in the searched space, which differs from the segment's
    own run where the space was added; None and empty where unknown.
    """

    id: UUID
    distance: float
    class_then: str
    stored: StoredSegment | None  # None: no longer in the store
    share: float | None = None
    vector_run: int | None = None
    vector_components: Mapping[str, Any] = field(default_factory=dict)
    barred: bool = False
    decorrelated: float | None = None
    effect: float | None = None

    @property
    def label(self) -> str:
        """Its label at that time; of one that was not asked for what it is stored as, too."""
        if self.stored is None or self.class_then != REST:
            return self.class_then
        return f"{self.stored.class_name} {REST}"

    @property
    def renamed(self) -> str | None:
        """What it is called now, None where it is called so still, is gone, or was not asked for."""
        if self.stored is None or self.class_then in (REST, self.stored.class_name):
            return None
        return self.stored.class_name


@dataclass(frozen=True)
class NegativeExample:
    """The nearest negative example of a class: a stored segment that a person said is not of it.

    distance: decorrelated, of the mask (`algorithms.decorrelation`).
    examples: how many the class has; barred: how many of the mask's neighbours it kept from voting.
    """

    class_name: str
    nearest: UUID
    distance: float
    examples: int
    barred: int


@dataclass(frozen=True)
class Vote:
    """The vote of the neighbours.

    rule: in one line.
    scores: of every class that has a neighbour, the sum of its neighbours' shares, best first.
    """

    classifier: str
    rule: str
    scores: dict[str, float]


@dataclass(frozen=True, repr=False)
class Explanation:
    """Why one mask of a predicted segment has its label. A thing is one mask; stuff may consist of many.

    mask: index of the mask it is about, the largest unless a pixel was named.
    masks: how many the segment consists of.
    mask_area: pixels of the segment that the mask covers.
    scores: class name -> score, per classifier, of the best classes and the chosen one.
    unknown: the classes that a classifier abstains for, per classifier.
    combined: class name -> score after the ensemble.
    void: what the best of these was held against, after the ensemble: "no object" with its correction, by its rule.
    gamma: class name -> the weight that retrieval had beside CLIP for it, for the classes of `combined`.
    vote: None where no classifier gives the shares of its neighbours.
    classes: the vocabulary.
    painter: draws it.
    margin: which neighbours would have to go for another label; None where nobody votes again.
    what_if: the answer without the stored segments that were named.
    negatives: of each class with negative examples the nearest one, the nearest class first.
    prototypes: of the nearest classes and of the label the nearest prototype, nearest first; empty where no classifier
    read them.
    """

    segment: SegmentInfo
    mask: int
    masks: int
    mask_area: int
    box: tuple[int, int, int, int]  # x0 y0 x1 y1 of the mask proposal, image pixels
    image_uri: str
    image_sha256: str
    neighbours: tuple[ExplainedNeighbour, ...]
    scores: dict[str, dict[str, float]]
    unknown: dict[str, list[str]]
    combined: dict[str, float]
    void: float
    settings: dict[str, Any]
    match: LabelMatch | None = None  # how the segment's class was found in the store
    vote: Vote | None = None
    classes: tuple[str, ...] = ()
    painter: Painter | None = field(default=None, compare=False)
    margin: Margin | None = None
    what_if: WhatIf | None = None
    negatives: tuple[NegativeExample, ...] = ()
    gamma: dict[str, float] = field(default_factory=dict)
    prototypes: tuple[NearPrototype, ...] = ()

    def votes(self) -> dict[str, float]:
        """Return the vote of each class, its retrieval score, best first; empty where no neighbour voted.

        The first is the label where retrieval alone decides.
        """
        return dict(self.vote.scores) if self.vote else {}

    def counts(self) -> dict[str, int]:
        """Return how many of `neighbours` each class has, most first. Counts are not the vote: near neighbours count
        for more.
        """
        return dict(Counter(near.class_then for near in self.neighbours).most_common())

    def told_votes(self) -> str:
        """Return the vote in one line: class, score and number of neighbours."""
        counts = Counter(near.class_then for near in self.neighbours)
        first, further = list(self.votes().items())[:SHOWN_VOTES], list(self.votes().items())[SHOWN_VOTES:]
        parts = [f"{name} {score:.3f} ({counts[name]})" for name, score in first]
        if further:
            score, number = sum(score for _, score in further), sum(counts[name] for name, _ in further)
            parts.append(f"{len(further)} more {score:.3f} ({number})")
        return ", ".join(parts)

    def verdict(self) -> str:
        """Return in one sentence what the vote alone says beside the label, without a vote what prototypes say."""
        label, votes = self.segment.class_name, self.votes()
        if not votes and self.prototypes:
            first = self.prototypes[0].class_name
            beside = "and its prototype is the nearest" if first == label else f"but a prototype of {first} is nearer"
            return f"{label}, {beside}"
        if not votes:
            near = "what each neighbour gave is not known" if self.neighbours else "no stored segment voted"
            return f"{label}; {near}"
        first = next(iter(votes))
        if votes.get(label, 0.0) >= votes[first]:
            return f"{label}, and so says the vote"
        deciders = ", ".join(name for name in self.scores if self.vote and name != self.vote.classifier)
        vote = f"{label}, although the vote says {first} ({votes[first]:.3f} to {votes.get(label, 0.0):.3f})"
        return f"{vote}: {deciders} decided" if deciders else vote

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        left_out = ("painter", "classes")  # neither is part of why
        plain = {
            attribute.name: getattr(self, attribute.name)
            for attribute in fields(self)
            if attribute.name not in left_out
        }
        records = (SegmentInfo, LabelMatch, Vote)
        document = {name: asdict(value) if isinstance(value, records) else value for name, value in plain.items()}
        neighbours = [asdict(near) for near in self.neighbours]
        document["negatives"] = [asdict(example) for example in self.negatives]
        document["prototypes"] = [asdict(near) for near in self.prototypes]
        added = {"neighbours": neighbours, "counts": self.counts(), "verdict": self.verdict()}
        return {**document, **added, "margin": _plain(self.margin), "what_if": _plain(self.what_if)}

    def save(self, path: str | Path) -> Path:
        """Write the picture as PNG and return its path.

        Raises DataError for a name that does not end in .png, and where the file cannot be written; ConfigError for a
        file that RetCLIP did not make.
        """
        file = check_picture(Path(path), "save()")
        from retclip.data.images import write_png  # most explanations are read as text, and decode no picture

        write_png(file, self._painted())
        return file

    def show(self) -> None:
        """Open the picture in a notebook, else in the desktop's viewer. Raises ConfigError where there is neither."""
        from retclip.data.viewer import show_picture

        show_picture(self._painted())

    def _painted(self) -> NDArray[np.uint8]:
        if self.painter is None:
            raise ConfigError("an explanation that a result gave", "one without its picture", "use result.explain(...)")
        return self.painter(self)

    def _repr_png_(self) -> bytes | None:
        from retclip.data.images import png_bytes

        return png_bytes(self._painted()) if self.painter else None

    def __repr__(self) -> str:
        segment, votes = self.segment, self.votes()
        voted = ", ".join(f"{name} {value:.3f}" for name, value in list(votes.items())[:SHOWN_VOTES])
        near = f"{len(self.neighbours)} neighbours" + (f" vote {voted}" if voted else "")
        return f"<Explanation of segment {segment.id}: {segment.class_name} {segment.score:.3f}; {near}>"


def _plain(value: Margin | WhatIf | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {**asdict(value), "changed": value.changed} if isinstance(value, WhatIf) else asdict(value)


def check_picture(path: Path, flag: str) -> Path:
    """Check before the work that a picture can be written there.

    flag: how another name is chosen.
    Raises DataError for a name that does not end in .png and a place that cannot be written, ConfigError for a file
    that RetCLIP did not make.
    """
    if path.suffix.lower() != ".png":
        raise DataError("a file name that ends in .png", repr(str(path)), f"write e.g. why.png for {flag}")
    require_replaceable(path, flag)
    return path
