"""Better than the paper's formula, on drawn scenes: `miniature-plus` against the preset `miniature`, and its parts.

Beside them the paper's sum: `miniature` with the paper's weights and FC-CLIP's rule for "no object".

    python benchmarks/methods.py --out /tmp/methods [--stored 1000] [--shown 200] [--ablated 100] [--split test]

Stores are made as `miniature.py` makes them, from annotated scenes (A) and from drawings of which only names are known
(B). The scores of the shown scenes are cached once per store; then every row of the table is decided on them as
`evaluate` decides: the preset without each of its parts, and with each part that stayed out (PQ alone). Changes are
paired, with 95 % intervals over the scenes. `--split val` shows scenes to choose by; those of `test` are
for judging once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import retclip
from retclip.algorithms.bootstrap import drawings, percentile_interval
from retclip.algorithms.ensemble import ensemble
from retclip.own_files import claim_folder
from retclip.tuning_run import classifier_with
from retclip.workflows.evaluation.image_table import ImageTable, mean_of_numbers, quality_of_classes
from retclip.workflows.evaluation.paired_differences import Difference, paired_differences
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.count_trials import counts_of_scores
from retclip.workflows.tuning.rescored import Rescorer
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.table_counts import TableCounts
from retclip.workflows.tuning.trials import Trial, Trials

BASE, PLUS, ALONE = "miniature", "miniature-plus", "alone"
NEIGHBOURS, DRAWINGS = 32, 1000
QUALITY = ("tp", "fp", "fn", "iou_sum")
SHOWN = {"PQ": ("all", "pq"), "unseen PQ": ("unseen", "pq"), "mIoU": ("all", "miou"), "unseen mIoU": ("unseen", "miou")}
SOURCES = {"A": "split=store", "B": "split=store&style=drawing&labels=names"}
BUILD = {"A": {}, "B": {"build": {"proposer": "mask2former.queries"}}}
Settings = dict[str, Any]
SUM = "the paper's sum"
Answers = dict[str, dict[str, Difference]]
OTHERS: dict[str, Settings] = {  # compared with `miniature`, too
    SUM: {"ensemble.beta": 0.7, "ensemble.gamma": 0.3, "ensemble.form": "arithmetic", "ensemble.void": "discount"},
}
PARTS: dict[str, Settings] = {  # of the preset, over `miniature`
    "CLIP's temperature": {"plugin.zero_shot.clip_text.scale": 25.0},
    "rank vote": {"plugin.retrieval.vote.vote": "rank"},
}
LEFT_OUT: dict[str, Settings] = {
    "8 neighbours, weight by agreement": {
        "retrieval.k": 8,
        "plugin.retrieval.vote.agreement": True,
        "ensemble.gamma": 0.9,
    },
    "16 neighbours, gamma 0.7": {"retrieval.k": 16, "ensemble.gamma": 0.7},
    "alpha 0.45, beta 0.75": {"ensemble.alpha": 0.45, "ensemble.beta": 0.75},
    "void correction, c = 0.25": {"ensemble.void_correction": 0.25},
    "gamma by class, m = 1": {"plugin.retrieval.vote.pseudo_neighbours": 1.0},
    "the head's temperature, 0.85": {"plugin.mask2former.in_vocabulary.temperature": 0.85},
}


def rows() -> dict[str, Settings]:
    """The settings of each row of the parts over `miniature`, the preset first."""
    whole = {name: value for part in PARTS.values() for name, value in part.items()}
    without = {f"without {part}": {k: v for k, v in whole.items() if k not in PARTS[part]} for part in PARTS}
    added = {f"with {part}": whole | values for part, values in LEFT_OUT.items()}
    return {PLUS: whole, **without, **added, **{f"{part} {ALONE}": values for part, values in LEFT_OUT.items()}}


def built(out: Path, name: str, stored: int) -> tuple[str, Path]:
    """The address of all scenes, and the store `name`, made where it is not there yet."""
    scenes, store = f"miniature.scenes:{out / 'scenes'}?", out / f"store_{name}"
    if not store.exists():
        with retclip.open(store, create=True, preset=BASE, settings=BUILD[name]) as memory:
            memory.build(f"{scenes}{SOURCES[name]}&count={stored}")
    return scenes, store


def options(about: str, out: Path, shown: int, split: str, stored: int = 1000) -> argparse.ArgumentParser:
    """The options of a comparison on cached scenes, with these defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--stored", type=int, default=stored, help="scenes in each store")
    parser.add_argument("--shown", type=int, default=shown, help="scenes that are counted")
    parser.add_argument("--split", choices=("val", "test"), default=split)
    parser.add_argument("--stores", nargs="+", choices=sorted(SOURCES), default=sorted(SOURCES))
    return parser


def cached(out: Path, name: str, stored: int, shown: int, split: str) -> tuple[ScoreCache, dict[str, Trial], Rescorer]:
    """The scores of the shown scenes with store `name`, and what is tried on them."""
    scenes, store = built(out, name, stored)
    with retclip.open(store, preset=PLUS) as memory:
        wanted = memory.settings
    with retclip.open(store, preset=BASE) as memory:
        parts = memory.session.segmenter()
        source = memory.source(f"{scenes}split={split}&count={shown}")
        cache, _ = cache_scores(parts, source, out / f"{split}_{name}", NEIGHBOURS)
        names = [classifier.name for classifier in parts.classifiers]
        trials = Trials(memory.settings, names)
        tried = {
            BASE: trials.as_set,
            **{row: trials.trial(tuple(values.items())) for row, values in {**OTHERS, **rows()}.items()},
        }
        preset = replace(Trials(wanted, names).as_set, values=tried[PLUS].values)
        assert preset == tried[PLUS], f"preset {PLUS} is {preset}, its parts are {tried[PLUS]}"
        return cache, tried, Rescorer(cache, classifier_with(memory.session.components))


def counted(
    cache: ScoreCache, tried: Mapping[str, Trial], rescorer: Rescorer, numbers: Sequence[int]
) -> dict[str, ImageTable]:
    """The counts of every row on some scenes."""
    tables = {row: ImageTable(len(cache.head.names)) for row in tried}
    for photo in map(cache.photo, numbers):
        for row, trial in tried.items():
            scored = rescorer.scored(photo.scored, trial)
            combined, void = ensemble(scored.sources, scored.seen, trial.weights, scored.segments.covered)
            mixed = replace(photo, scored=scored)
            tables[row].add(counts_of_scores(cache, mixed, combined, void, trial.segment, precision=False))
    return tables


def changes(cache: ScoreCache, first: ImageTable, second: ImageTable) -> dict[str, Difference]:
    """The changes from the first to the second, by the names in `SHOWN`."""
    unseen = [index for index, seen in enumerate(cache.head.groups or ()) if not seen]
    found = paired_differences(first, second, {"all": None, "unseen": unseen}, DRAWINGS, 0)
    return {words: next(row for row in found[group] if row.figure == key) for words, (group, key) in SHOWN.items()}


def judged(cache: ScoreCache, tried: Mapping[str, Trial], rescorer: Rescorer) -> Answers:
    """The preset, and others, against `miniature` on all scenes."""
    tables = counted(cache, {row: tried[row] for row in (BASE, *OTHERS, PLUS)}, rescorer, cache.numbers)
    return {row: changes(cache, tables[BASE], tables[row]) for row in (*OTHERS, PLUS)}


def ablated(cache: ScoreCache, tried: Mapping[str, Trial], rescorer: Rescorer, count: int) -> Answers:
    """The rows of the parts on the first scenes: against the preset, and against `miniature` what stands alone.

    PQ alone, from tables of pixels, which count what the maps would.
    """
    numbers = cache.numbers[:count]
    counts = {row: np.zeros((len(numbers), len(QUALITY), len(cache.head.names))) for row in tried}
    for place, photo in enumerate(map(cache.photo, numbers)):
        for row, trial in tried.items():
            mixed = replace(photo, scored=rescorer.scored(photo.scored, trial))
            of_photo = TableCounts(cache, mixed, [trial.weights]).of(np.array([0]), trial.segment)
            counts[row][place] = [getattr(of_photo, name)[0] for name in QUALITY]
    unseen = np.flatnonzero(~np.array(cache.head.groups))
    draws = np.concatenate([np.ones((1, len(numbers))), *drawings(len(numbers), DRAWINGS, 0)])
    quality = {row: quality_of(np.tensordot(draws, values, 1), unseen) for row, values in counts.items()}
    return {
        row: {
            words: difference(quality[BASE if row.endswith(ALONE) else PLUS][words], quality[row][words])
            for words in quality[row]
        }
        for row in tried
        if row not in (BASE, *OTHERS, PLUS)
    }


def quality_of(sums: NDArray[np.float64], unseen: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """PQ of all and of unseen classes in each drawing. sums: (b, 4, c)."""
    groups = {"PQ": sums, "unseen PQ": sums[:, :, unseen]}
    return {
        words: mean_of_numbers(quality_of_classes({name: part[:, n] for n, name in enumerate(QUALITY)})["pq"])
        for words, part in groups.items()
    }


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """first, second: of all images, then of the drawings."""
    low, high = percentile_interval(second[1:] - first[1:]) or (np.nan, np.nan)
    return Difference("pq", 100 * float(first[0]), 100 * float(second[0]), 100 * low, 100 * high)


def table(name: str, answers: Answers) -> str:
    """The changes as Markdown."""
    columns = list(next(iter(answers.values()), {}))
    lines = [f"| store {name} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row, found in answers.items():
        cells = [
            f"{change.second or 0:.1f} ({change.change or 0:+.1f}: {change.low or 0:+.1f} to {change.high or 0:+.1f})"
            for change in found.values()
        ]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, Path("/tmp/methods"), 200, "test")
    parser.add_argument("--ablated", type=int, default=100, help="the first of them, for the rows of the parts")
    parser.add_argument("--no-judge", dest="judge", action="store_false", help="the rows of the parts alone")
    asked = parser.parse_args()
    claim_folder(asked.out, "benchmark")
    for name in asked.stores:
        cache, tried, rescorer = cached(asked.out, name, asked.stored, asked.shown, asked.split)
        answers = judged(cache, tried, rescorer) if asked.judge else {}
        if answers:
            print(table(name, answers), flush=True)
        parts = ablated(cache, tried, rescorer, asked.ablated) if asked.ablated else {}
        print(table(name, parts), flush=True)
        answers |= parts
        plain = {row: {words: change.as_dict() for words, change in found.items()} for row, found in answers.items()}
        (asked.out / f"methods_{asked.split}_{name}.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
