"""The parts of an evaluation that lie in its folder become one: what workers counted, on the way to one `counts.jsonl`.

Whatever number of workers counted them, and however far each came, the images are those of one evaluation.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from retclip.workflows.evaluation.run_folder import COUNTS, PARTS, PICTURES, RunFolder, oracle_folder, oracles_in


def parts_in(folder: Path) -> list[Path]:
    """Return the folders of the parts that workers left in the folder of an evaluation."""
    return sorted(path.parent for path in (folder / PARTS).glob(f"*/{COUNTS}"))


def counted_in(folder: Path) -> frozenset[int]:
    """Return the numbers of the images that an evaluation has counted, with every oracle that it has."""
    if not (folder / COUNTS).is_file():
        return frozenset()
    folders = [folder, *(oracle_folder(folder, oracle) for oracle in oracles_in(folder))]
    return frozenset.intersection(*(frozenset(RunFolder.finished(counted).numbers) for counted in folders))


def absorb_parts(folder: Path) -> int:
    """Move the counts and pictures of the parts into the folder of the evaluation; return how many images they had.

    Raises ConfigError where a part is of another evaluation, DataError where one is damaged.
    """
    parts = parts_in(folder)
    images = _absorbed(folder, parts)
    for oracle in sorted({oracle for part in parts for oracle in oracles_in(part)}):
        _absorbed(oracle_folder(folder, oracle), [oracle_folder(part, oracle) for part in parts])
    for picture in (file for part in parts for file in (part / PICTURES).glob("*.json")):
        (folder / PICTURES).mkdir(exist_ok=True)
        picture.replace(folder / PICTURES / picture.name)
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return images


def _absorbed(folder: Path, parts: Sequence[Path]) -> int:
    images = 0
    for part in parts:
        if not (part / COUNTS).is_file():
            continue
        run = RunFolder.finished(part)
        whole = RunFolder.started(folder, run.configuration)
        for counts in run.counts():
            if counts.number not in whole:
                whole.append(counts)
                images += 1
    return images
