"""What is counted of one image, small enough to be kept of every image and written as a line of JSON.

Every figure of an evaluation is computed from these counts alone, in the order of the images: of an evaluation that was
stopped and went on, or of shards that were merged, the figures are the same to the last bit. Numbers are read back as
they were written: a line ends with a checksum of what it says. One from before there were checksums has none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retclip.algorithms.average_precision import ClassInImage
from retclip.errors import DataError
from retclip.passed_over import PassedOver

TABLES = ("quality", "confusion", "boundary", "calibration", "called")
CHECKSUM = "crc32"  # of the line without it


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """The counts of one image; classes by their index, only those that occur.

    number: its position in the source, from 0.
    quality: (class, TP, FP, FN, sum of the IoU over TP) of its segments.
    confusion: (annotated class, predicted class, pixels), c = void.
    boundary: (class, boundary pixels in both, in the truth, in the prediction).
    calibration: (bin, segments, sum of their scores, right ones).
    precision: of each class its predicted and annotated instances; None where they are not counted.
    right, judged: annotated segments of the right class, and all of them.
    accuracy: share of its labelled pixels with the right class, [0, 1]; None where none is labelled.
    no_precision: why AP cannot be counted against it; empty where it can.
    passed_over: what was left out of its annotation.
    called: (annotated class, class that most of its pixels have, segments) of the annotated segments, c = none.
    """

    number: int
    name: str
    quality: Sequence[tuple[int, int, int, int, float]]
    confusion: Sequence[tuple[int, int, int]]
    boundary: Sequence[tuple[int, int, int, int]]
    calibration: Sequence[tuple[int, int, float, int]]
    precision: Mapping[int, ClassInImage] | None
    right: int
    judged: int
    accuracy: float | None
    no_precision: str = ""
    passed_over: PassedOver = field(default_factory=PassedOver)
    called: Sequence[tuple[int, int, int]] = ()

    @property
    def panoptic_quality(self) -> float:
        """The quality of its segments of all classes together, in [0, 1]: the sum of IoU over TP + FP / 2 + FN / 2; 1
        where nothing is annotated and nothing was answered."""
        tp, fp, fn, iou_sum = (sum(row[column] for row in self.quality) for column in range(1, 5))
        return iou_sum / (tp + 0.5 * fp + 0.5 * fn) if tp + fp + fn else 1.0

    def as_line(self) -> str:
        """Return one line of JSON with its checksum, without a line end."""
        precision = None if self.precision is None else [
            [index, *entry.as_list()] for index, entry in sorted(self.precision.items())
        ]  # fmt: skip
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        said = json.dumps({**values, "precision": precision, "passed_over": asdict(self.passed_over)})
        return f'{said[:-1]}, "{CHECKSUM}": {zlib.crc32(said.encode())}}}'


def counts_of_line(line: str, file: Path | None = None) -> ImageCounts:
    """Return the counts that a line holds. Raises DataError for anything else.

    file: that it was read from, for the message.
    """
    try:
        values: dict[str, Any] = json.loads(line)
        _check(line, values.pop(CHECKSUM, None))
        precision, passed_over = values.pop("precision"), values.pop("passed_over")
        tables: dict[str, Any] = {key: [tuple(row) for row in values.pop(key)] for key in TABLES}
        entries = None if precision is None else {int(row[0]): ClassInImage.of_list(row[1:]) for row in precision}
        return ImageCounts(**values, **tables, precision=entries, passed_over=PassedOver.of_dict(passed_over))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        todo, place = "evaluate again into a new folder, --out", f" into {file}" if file else ""
        got = f"{line[:80]!r}: {error}"
        raise DataError(f"counts of an image, as `retclip evaluate` writes them{place}", got, todo) from error


def _check(line: str, checksum: Any) -> None:
    said = line[: line.rfind(f', "{CHECKSUM}"')] + "}"
    if checksum is not None and checksum != zlib.crc32(said.encode()):
        raise ValueError("its checksum is another one")
