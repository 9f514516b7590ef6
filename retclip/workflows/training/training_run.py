"""A training run's folder: settings, metrics and weights.

settings.json (what must be equal to resume), trained_on.txt (C_train: a class a line, synonyms after commas),
metrics.jsonl (a line per logged step and per validation), weights.safetensors, checkpoints/, curve.png.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retclip.config import dotted
from retclip.errors import ConfigError, DataError
from retclip.own_files import write_durably
from retclip.types import Vocabulary
from retclip.workflows.training.checkpoint import Checkpoints

SETTINGS, METRICS, TERMS, WEIGHTS, CHECKPOINTS = (
    "settings.json", "metrics.jsonl", "trained_on.txt", "weights.safetensors", "checkpoints"
)  # fmt: skip
MADE = (
    METRICS,
    WEIGHTS,
    "curve.png",
    SETTINGS,
    TERMS,
)  # the files of a run, in the order in which --fresh removes them
TIMES = ("seconds", "images_per_second")  # of a metrics line: what two equal runs need not agree in


class TrainingRun:
    """The folder of one run.

    settings: plain data; a run is resumed with equal settings only.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], keep: int) -> None:
        self.folder, self.settings = folder, json.loads(json.dumps(settings))
        self.checkpoints = Checkpoints(folder / CHECKPOINTS, keep)

    @property
    def weights(self) -> Path:
        """The weights file, which `Component.load` reads."""
        return self.folder / WEIGHTS

    @property
    def metrics(self) -> Path:
        """The metrics file, one JSON object a line."""
        return self.folder / METRICS

    def begin(self, fresh: bool, vocabulary: Vocabulary) -> None:
        """Make the folder, or resume the run in it.

        fresh: replace it; only files that a run makes are removed.
        Raises ConfigError for a folder that is not a run's and for a run with other settings.
        """
        settings_file = self.folder / SETTINGS
        names = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set[str]()
        ours = {SETTINGS, TERMS} <= names  # settings.json alone is a name that many programs use
        begun = (TERMS, f".{TERMS}.", f".{SETTINGS}.")  # all that a kill in this function can leave
        if not ours and not all(name.startswith(begun) for name in names):
            todo = "choose another folder: --out"
            raise ConfigError("a new folder, or one of an earlier run", f"{self.folder} with other files", todo)
        if ours and not fresh:
            self._compare(_read(settings_file))
            return
        if ours:
            self._clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        synonyms = vocabulary.synonyms or ((),) * len(vocabulary)
        lines = [", ".join((name, *more)) for name, more in zip(vocabulary.names, synonyms, strict=True)]
        write_durably(self.folder / TERMS, ("\n".join(lines) + "\n").encode())
        write_durably(settings_file, json.dumps(self.settings, indent=1, sort_keys=True).encode())

    def _clear(self) -> None:
        self.checkpoints.remove()
        for name in MADE:
            (self.folder / name).unlink(missing_ok=True)

    def _compare(self, earlier: Mapping[str, Any]) -> None:
        now, before = dotted(self.settings), dotted(earlier)
        for key in sorted(now.keys() | before.keys()):
            if now.get(key) != before.get(key):
                got = f"{key} = {now.get(key)!r}, it began with {before.get(key)!r}"
                todo = "set it as it was, choose another --out, or begin anew: --fresh"
                raise ConfigError(f"the settings of the run in {self.folder}", got, todo)

    def cut(self, step: int) -> None:
        """Remove the metrics of later steps.

        step: the one after which the run resumes.
        """
        if self.metrics.is_file():
            lines = [json.dumps(row) for row in read_metrics(self.metrics) if row["step"] <= step]
            write_durably(self.metrics, "".join(f"{line}\n" for line in lines).encode())

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to the metrics.

        line: plain data for JSON, with its `step`.
        """
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return every line; a last one that a kill cut short is left out. Raises DataError for any other invalid JSON."""
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise DataError(f"a JSON object in line {number} of {path}", str(error), "remove that line") from error
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"the settings of a run in {path}", str(error), "begin anew: --fresh") from error
