"""The folder of an evaluation: what was evaluated, the counts of every image, and `run.json`.

`counts.jsonl` begins with a line of the configuration and its digest; a line for each counted image follows, written as
soon as it is counted. Killed and started again with the same configuration, an evaluation goes on behind the last whole
line; with another one it is refused. Every figure is computed from these lines, in the order of the images: the same
figures to the last bit, whether it was stopped, whether parts were merged. What differs from run to run (time, machine)
stands apart in `run.json`, under `circumstances`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from retclip.config import dotted
from retclip.documents import as_read, first_fault, json_digest, read_json
from retclip.errors import ConfigError, DataError
from retclip.own_files import claim_folder, is_own_folder, write_json
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.evaluation_figures import Evaluation
from retclip.workflows.evaluation.image_counts import ImageCounts, counts_of_line
from retclip.workflows.evaluation.oracle import oracles_of

KIND, COUNTS, RUN, ORACLES, PARTS = "evaluation", "counts.jsonl", "run.json", "oracles", "parts"
SHOWN = 3  # changes that a message names
PICTURES = "pictures"  # below it: the images that a page shows


@dataclass(frozen=True)
class Part:
    """The images of one of several processes: those whose number leaves the remainder `index` - 1 by `of`."""

    index: int = 1
    of: int = 1

    def has(self, number: int) -> bool:
        """Return whether an image is of this part. number: its position in the source, from 0."""
        return number % self.of == self.index - 1


def part_of_text(text: str) -> Part:
    """Return the part that `3/8` names. Raises ConfigError."""
    index, slash, of = text.partition("/")
    if not slash or not index.strip().isdecimal() or not of.strip().isdecimal() or not 1 <= int(index) <= int(of):
        raise ConfigError("a part, as 3/8 for the third of eight", repr(text), "correct --part")
    return Part(int(index), int(of))


def circumstances() -> dict[str, str]:
    """Return when and where something was computed: what differs between equal runs."""
    return {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.node(), "system": platform.platform(), "python": platform.python_version(),
    }  # fmt: skip


def oracle_folder(folder: Path, oracle: str) -> Path:
    """Return where the counts of an oracle lie. folder: of the evaluation."""
    return folder / ORACLES / oracle


def oracles_in(folder: Path) -> list[str]:
    """Return the oracles of which counts lie in the folder of an evaluation, in the order in which they are told."""
    present = [path.name for path in (folder / ORACLES).glob("*") if (path / COUNTS).is_file()]
    return [oracle.name for oracle in oracles_of(present)] if present else []


@dataclass(frozen=True)
class Configuration:
    """What decides the figures. names, kinds: of the classes; images: of the whole source."""

    source: str
    images: int
    names: tuple[str, ...]
    kinds: tuple[bool | None, ...]
    seen: tuple[bool, ...] | None
    missing: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """sha256 over everything."""
        return json_digest(asdict(self))

    def differing(self, earlier: Mapping[str, Any]) -> str:
        """Return what is otherwise than in the configuration that a folder was begun with, "" = nothing.

        earlier: that configuration as plain data.
        """
        now, before = (dotted(as_read(plain)) for plain in (asdict(self), earlier))
        keys = [key for key in {**now, **before} if now.get(key) != before.get(key)]
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        return "; ".join(_change(key, now.get(key), before.get(key)) for key in keys[:SHOWN]) + more

    def counters(self) -> Counters:
        """Return empty counters of the classes."""
        return Counters(self.names, self.kinds)


class RunFolder:
    """The folder of one evaluation, or of a part of it, with the places of the lines that lie there."""

    def __init__(self, folder: Path, configuration: Configuration, part: Part) -> None:
        self.folder, self.configuration, self.part = folder, configuration, part
        self.file = folder / COUNTS
        self._places: dict[int, int] = {}  # of an image's line, by the image's number

    @classmethod
    def started(cls, folder: Path, configuration: Configuration, part: Part = Part()) -> RunFolder:
        """Make a folder, or take up one of the same configuration and part.

        Raises ConfigError for a folder of another evaluation, or of somebody else's, DataError for one that cannot be.
        """
        claim_folder(folder, KIND)
        run = cls(folder, configuration, part)
        if not run.file.exists() or not run.file.stat().st_size:
            head = {"digest": configuration.digest, "part": asdict(part), "configuration": asdict(configuration)}
            run.file.write_text(json.dumps(head, default=str) + "\n", encoding="utf-8")
        else:
            earlier = _head(run.file)
            if (earlier.get("digest"), earlier.get("part")) != (configuration.digest, asdict(part)):
                todo = "choose a new --out, or evaluate as before: `configuration` in run.json says how"
                changes = configuration.differing(earlier.get("configuration") or {}) or _of(part, earlier.get("part"))
                got = f"another configuration or part: {changes}"
                raise ConfigError(f"the evaluation that was begun in {folder}", got, todo)
        run._find_lines(cut=True)
        return run

    @classmethod
    def finished(cls, folder: Path) -> RunFolder:
        """Return what lies in the folder of an evaluation. Raises ConfigError, DataError where it is none."""
        if not is_own_folder(folder, KIND) or not (folder / COUNTS).is_file():
            todo = "name folders that `retclip evaluate --out` wrote"
            raise ConfigError("the folder of an evaluation", str(folder), todo)
        head = _head(folder / COUNTS)
        try:
            configuration = TypeAdapter(Configuration).validate_python(head.get("configuration"))
            run = cls(folder, configuration, TypeAdapter(Part).validate_python(head.get("part")))
        except ValidationError as error:
            raise _damaged_head(folder, first_fault(error)) from error
        if head.get("digest") != configuration.digest:
            raise _damaged_head(folder, "a digest of another configuration")
        run._find_lines(cut=False)
        return run

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def __len__(self) -> int:
        return len(self._places)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the images that are counted, rising."""
        return sorted(self._places)

    def append(self, counts: ImageCounts) -> None:
        """Write the counts of an image."""
        with self.file.open("ab") as file:
            self._places[counts.number] = file.seek(0, os.SEEK_END)
            file.write(counts.as_line().encode() + b"\n")

    def counts(self) -> Iterator[ImageCounts]:
        """Yield the counts in the order of the images, read line by line. Raises DataError for a damaged line."""
        with self.file.open("rb") as file:
            for number in sorted(self._places):
                file.seek(self._places[number])
                yield self._counts(file.readline())

    def write(self, evaluation: Evaluation) -> Path:
        """Write `run.json`; returns it."""
        figures = evaluation.as_dict()
        document = {
            "format": "retclip-evaluation",
            "digest": self.configuration.digest,
            "part": asdict(self.part),
            "configuration": {**asdict(self.configuration), "bootstrap": figures["bootstrap"]},
            "figures": {key: value for key, value in figures.items() if key != "settings"},
            "circumstances": circumstances(),
        }
        return write_json(self.folder / RUN, document)

    def failures(self) -> Sequence[Mapping[str, Any]]:
        """Return the failures that run.json lists. Raises DataError where the evaluation was not finished."""
        if not (self.folder / RUN).is_file():
            todo = "finish it: run the same command again"
            raise DataError(f"a finished evaluation in {self.folder}", f"{len(self)} images, and no {RUN}", todo)
        figures: Mapping[str, Any] = read_json(self.folder / RUN, "run of an evaluation")["figures"]
        return list(figures["failures"])

    def _counts(self, line: bytes) -> ImageCounts:
        return counts_of_line(line.decode(errors="replace"), self.file)  # what is no text fails by its checksum

    def _find_lines(self, cut: bool) -> None:
        """Find the lines of the images. cut: remove what is behind the last whole one."""
        with self.file.open("rb") as file:
            file.readline()
            place = end = file.tell()
            while (line := file.readline()).endswith(b"\n"):
                self._places[self._counts(line).number] = place
                place = end = file.tell()
        if cut:
            os.truncate(self.file, end)


def _head(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        line = stream.readline()
    try:
        head = json.loads(line)
    except ValueError as error:
        raise DataError(
            f"the head of an evaluation's counts: {file}", f"{line[:80]!r}", "choose a new --out"
        ) from error
    return head if isinstance(head, dict) else {}


def _damaged_head(folder: Path, got: str) -> DataError:
    return DataError(f"the head of an evaluation's counts: {folder / COUNTS}", got, "evaluate again")


def _change(key: str, now: Any, before: Any) -> str:
    if isinstance(now, list) or isinstance(before, list):
        return f"{key} differs"
    return f"{key} is {now!r}, it began with {before!r}"


def _of(part: Part, earlier: Any) -> str:
    words = f"{earlier['index']}/{earlier['of']}" if isinstance(earlier, Mapping) and len(earlier) == 2 else "another"
    return f"the part is {part.index}/{part.of}, it began with {words}"
