"""What a source or a walk leaves out, counted by reason, so that nothing is lost in silence.

    reader   -> Image.passed_over                 objects of one photo: a crowd, a polygon that cannot be read
             -> passed_over_by(source)            what belongs to no photo: a row of a table, a file that is no photo
    workflow -> what it leaves out itself         masks beyond a limit
    report   =  the sum of all                    a run's closing line, --json, failures.csv

What should have been usable (a `BadPart`) is listed one by one and makes a command end with exit code 7; what is left
out by a rule is only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# The reasons that several readers or workflows share: plural nouns, as a closing line shows them before their count.
CROWDS = "crowds"
BAD_OBJECTS = "objects that cannot be read"
BAD_ROWS = "rows that cannot be read"
BAD_RECORDS = "records that cannot be read"
NO_PIXEL = "objects without a pixel"
HIDDEN = "objects hidden by others"
CUT = "objects cut at the border of their photo"
TOO_MANY = "masks beyond build.max_segments"
TURNED_UPRIGHT = "photos with an EXIF orientation, their annotation taken as upright"
TURNED_STORED = "photos with an EXIF orientation, their annotation taken as stored"


@dataclass(frozen=True)
class BadPart:
    """A row, record or object that should have been usable and is not.

    record: which one, as its file counts.
    uri: the photo that it belongs to, else its file.
    reason: what is wrong with it.
    """

    record: str
    uri: str
    reason: str


@dataclass(frozen=True)
class PassedOver:
    """What was left out.

    counts: reason -> how many, bad parts among them.
    bad: the parts that should have been usable.
    assumed: reason -> how many images were taken under an assumption that nobody can check.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[BadPart, ...] = ()
    assumed: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts or self.bad or self.assumed)

    @classmethod
    def of_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of one."""
        return cls(**{**plain, "bad": tuple(BadPart(**part) for part in plain["bad"])})


class Tally:
    """Counts while a source is read or a walk goes on."""

    def __init__(self, *earlier: PassedOver) -> None:
        self._counts: Counter[str] = Counter()
        self._assumed: Counter[str] = Counter()
        self._bad: list[BadPart] = []
        for part in earlier:
            self.add(part)

    def skip(self, reason: str, count: int = 1) -> None:
        """Count what a rule leaves out."""
        if count:
            self._counts[reason] += count

    def fault(self, reason: str, record: str, uri: str, why: Exception | str) -> None:
        """Count and list what should have been usable. why: what is wrong with it."""
        self._counts[reason] += 1
        self._bad.append(BadPart(record, uri, str(why)))

    def assume(self, reason: str) -> None:
        """Count an image that was taken under an assumption."""
        self._assumed[reason] += 1

    def add(self, other: PassedOver) -> None:
        """Count what somebody else passed over."""
        self._counts.update(other.counts)
        self._assumed.update(other.assumed)
        self._bad += other.bad

    @property
    def total(self) -> PassedOver:
        """What was counted so far."""
        return PassedOver(dict(self._counts), tuple(self._bad), dict(self._assumed))


def passed_over_by(source: object) -> PassedOver:
    """What a source says of itself that it left out: what belongs to none of its images. A source need not say it."""
    tell = getattr(source, "passed_over", None)
    passed_over = tell() if callable(tell) else None
    return passed_over if isinstance(passed_over, PassedOver) else PassedOver()


def by_reason(counts: Mapping[str, int]) -> str:
    """Reasons with their counts on one line: "crowds 2, rows that cannot be read 1"."""
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())
