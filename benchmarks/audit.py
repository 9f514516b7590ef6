"""Wrong labels in a store: found by trust, and what correcting the top of the list wins back.

    python benchmarks/audit.py --data ../shared/data --out /tmp/audit --scenes 1000 --shown 100

Figure 1. A share of the labels of a store is flipped at random, each to another class with the same chance: CamVid's
training photos with preset `appearance`, drawn scenes with preset `miniature-retrieval`; both asked with annotated
masks and the vote alone. Rankings are compared by average precision and by precision at the number flipped: doubt, of
which those that the audit does not list come last; trust;
cleanlab's self-confidence where it is installed, on leave-one-photo-out class scores of 32 neighbours and on a softmax
of the same means that trust is made of; the distance to the centroid of the class. Then a person's work is played: of
the top of the list by doubt, and by trust, as many as were flipped, the wrong ones get their right label back. mIoU
before, flipped, corrected.

Figure 6. With 10 % flipped, the vote without trust, weighted by it, and filtered by it (`--vote`).

Frames. Wrong labels apart, and the same wrong label on every frame of a film (`--frames`): does it help to count photos
that show nearly the same as one photo?

Texts. Ten classes get each other's names (`--texts`): which classes are far from their text?

Settings were chosen with other seeds (10 to 15), and on training photos alone. Nothing is tuned on what is evaluated.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from real_photos import arguments, take_folder

import retclip
from retclip.algorithms.label_trust import Labelled, mean_of_nearest
from retclip.algorithms.text_ranks import text_ranks
from retclip.store.records import JudgedSegments
from retclip.workflows.audit.doubt import doubted_labels
from retclip.workflows.audit.mislabels import RANKINGS, grouped
from retclip.workflows.audit.trust import judged_labels, update_trust
from retclip.workflows.segment.describe_image import text_of

ACTOR = "benchmarks/audit.py"
NEIGHBOURS = 32  # of the class scores that cleanlab gets
TEMPERATURE = 0.03  # of a softmax over means of cosine distances
VOTES = {"none": {}, "weight": {"trust": "weight"}, "filter": {"trust": "filter"}}
Figures = dict[str, Any]


class Flipped:
    """A copy of a store with wrong labels.

    memory: the open copy.
    wrong: by segment the right class of each that was flipped.
    flipped: the class that it was flipped to.
    """

    def __init__(self, store: Path, copy: Path, preset: str, share: float, seed: int) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(store, copy)
        self.copy, self.preset = copy, preset
        self.memory = opened(copy, preset)
        names = {row.id: row.name for row in self.memory.store.classes.all()}
        segments = self.memory.store.trust.segments()
        rng, numbers = np.random.default_rng(seed), sorted(set(segments.categories.tolist()))
        chosen = rng.choice(len(segments), round(share * len(segments)), replace=False)
        self.wrong: dict[UUID, str] = {}
        self.flipped: dict[UUID, str] = {}
        for place in chosen.tolist():
            right = int(segments.categories[place])
            self.wrong[segments.ids[place]] = names[right]
            self.flipped[segments.ids[place]] = names[int(rng.choice([one for one in numbers if one != right]))]
        self.relabel(self.flipped)

    def relabel(self, labels: dict[UUID, str]) -> None:
        """Give segments these labels, one change per class."""
        groups = defaultdict(list)
        for segment, name in labels.items():
            groups[name].append(segment)
        for name, ids in sorted(groups.items()):
            self.memory.store.segments.relabel(ids, name, ACTOR)


def opened(store: Path, preset: str, vote: Figures | None = None) -> retclip.RetCLIP:
    """Open a store that is asked with annotated masks, its index in memory."""
    parts = {"proposer": "reference.ground_truth", "classifiers": ("retrieval.vote",)}
    settings: Figures = {"store": {"index": "resident"}, "components": parts}
    if vote:
        settings["plugin"] = {"retrieval": {"vote": vote}}  # beside the preset's own
    return retclip.open(store, settings=settings, preset=preset)


def evaluated(memory: retclip.RetCLIP, source: str) -> Figures:
    """PQ and mIoU in percent."""
    answer = memory.evaluate(source).as_dict()
    return {key: answer[key] for key in ("pq", "miou")}


def leave_one_out(segments: JudgedSegments) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Class scores of each segment by those of other photos: shares of the nearest, a softmax of the means that trust
    is made of, both (n, c) with rows of sum 1; and the (n,) classes."""
    numbers, classes = np.unique(segments.categories, return_inverse=True)
    stored = Labelled(*(torch.from_numpy(one) for one in (segments.vectors, classes, segments.images)))
    shares, means = (torch.zeros(len(classes), len(numbers)) for _ in range(2))
    for start in range(0, len(classes), 512):
        rows = slice(start, start + 512)
        near = (1 - stored.vectors[rows] @ stored.vectors.T).clamp(min=0)
        near[stored.photos[rows, None] == stored.photos[None]] = torch.inf
        order = near.topk(NEIGHBOURS, dim=1, largest=False).indices
        weights = (1 / (2 + torch.arange(NEIGHBOURS, dtype=torch.float32))).expand(order.shape)
        shares[rows] = shares[rows].scatter_add(1, stored.classes[order], weights)
        for number in range(len(numbers)):
            means[rows, number] = mean_of_nearest(near[:, stored.classes == number], 3)
    soft = torch.softmax(-means.nan_to_num(posinf=9.0).double() / TEMPERATURE, dim=1)
    shares = shares.double() + 1e-4
    return (shares / shares.sum(1, keepdim=True)).numpy(), soft.numpy(), classes


def rankings(flipped: Flipped) -> dict[str, NDArray[np.float64]]:
    """By method the scores of the visible segments, the most suspicious the lowest."""
    store = flipped.memory.store
    segments = store.trust.segments()
    trust = {label.id: label.trust for label in store.trust.labels()}
    found = {"trust": np.array([1.0 if trust[one] is None else trust[one] for one in segments.ids])}
    doubt = {label.id: label.doubt for label in doubted_labels(store, segments)}
    found["doubt"] = -np.array([doubt.get(one, 0.0) for one in segments.ids])
    shares, soft, classes = leave_one_out(segments)
    centres = np.stack([segments.vectors[classes == number].mean(0) for number in range(classes.max() + 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    found["distance to the class centroid"] = (segments.vectors * centres[classes]).sum(1)
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return found
    for name, scores in (("shares of 32 neighbours", shares), ("softmax of class means", soft)):
        for method in ("self_confidence", "normalized_margin"):
            found[f"cleanlab {method}, {name}"] = get_label_quality_scores(classes, scores, method=method)
    return found


def judged(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> Figures:
    """Average precision, and precision at the number that are wrong."""
    hits = wrong[np.argsort(scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return {"average_precision": float((precision * hits).sum() / hits.sum()),
            "precision_at_n": float(hits[: hits.sum()].mean())}  # fmt: skip


def one_seed(store: Path, out: Path, preset: str, source: str, seed: int) -> Figures:
    """Labels flipped, ranked, the top of the list corrected."""
    flipped = Flipped(store, out / f"{store.name}_flipped", preset, 0.05, seed)
    memory = flipped.memory
    found: Figures = {"flipped": len(flipped.wrong), "figures_flipped": evaluated(memory, source),
                      "suggested_right": {}, "figures_corrected": {}}  # fmt: skip
    clock = time.monotonic()
    update_trust(memory.store)
    found["trust_seconds"] = time.monotonic() - clock
    ids = memory.store.trust.segments().ids
    wrong = np.array([one in flipped.wrong for one in ids])
    found["rankings"] = {name: judged(scores, wrong) for name, scores in rankings(flipped).items()}
    for ranking in RANKINGS:
        top = [suspect.segment for suspect in memory.audit.suspects(limit=len(flipped.wrong), by=ranking)]
        seen = [segment for segment in top if segment.id in flipped.wrong]
        suggestions = sum(segment.suggested == flipped.wrong[segment.id] for segment in seen)
        found["suggested_right"][ranking] = suggestions / max(1, len(seen))
        flipped.relabel({segment.id: flipped.wrong[segment.id] for segment in seen})
        found["figures_corrected"][ranking] = evaluated(memory, source)
        flipped.relabel({segment.id: flipped.flipped[segment.id] for segment in seen})
    memory.close()
    return found


def won_back(before: float, flipped: list[float], after: list[float]) -> float:
    """The part of the lost points that came back, over all seeds."""
    lost = sum(before - one for one in flipped)
    return (sum(after) - sum(flipped)) / lost if lost else float("nan")


def figure_1(store: Path, out: Path, preset: str, source: str, seeds: list[int]) -> Figures:
    """The first figure for one store."""
    with opened(store, preset) as memory:
        before = evaluated(memory, source)
        count = sum(row.segments for row in memory.store.classes.all())
    runs = []
    for seed in seeds:
        runs.append(one_seed(store, out, preset, source, seed))
        print(seed, json.dumps(runs[-1]), flush=True)
    means = {
        name: {key: float(np.mean([run["rankings"][name][key] for run in runs])) for key in figures}
        for name, figures in runs[0]["rankings"].items()
    }
    back = {
        f"{key} by {ranking}": won_back(
            before[key], [run["figures_flipped"][key] for run in runs],
            [run["figures_corrected"][ranking][key] for run in runs],
        )
        for key in before for ranking in RANKINGS
    }  # fmt: skip
    return {"segments": count, "before": before, "runs": runs, "mean": means, "won_back": back}


def figure_6(store: Path, out: Path, preset: str, source: str, seed: int) -> Figures:
    """PQ and mIoU with one label in ten wrong, by the vote's use of trust."""
    with opened(store, preset) as memory:
        found: Figures = {"before": evaluated(memory, source)}
    flipped = Flipped(store, out / f"{store.name}_flipped", preset, 0.1, seed)
    update_trust(flipped.memory.store)
    flipped.memory.close()
    for name, vote in VOTES.items():
        with opened(flipped.copy, preset, vote) as memory:
            found[name] = evaluated(memory, source)
        print(name, found[name], flush=True)
    return found


def wrong_on_frames(
    segments: JudgedSegments, groups: NDArray[np.int64], share: float, seed: int
) -> tuple[JudgedSegments, set[UUID]]:
    """Flip labels, each with the nearest of its class in every other photo of its group, in groups of several photos;
    returns what was flipped, too.

    groups: (n,) int64, of the photo of each segment.
    """
    rng, categories, wrong = np.random.default_rng(seed), segments.categories.copy(), np.zeros(len(segments), bool)
    numbers = np.unique(segments.categories)
    for place in rng.permutation(len(segments)).tolist():
        photos = np.unique(segments.images[groups == groups[place]])
        if wrong.sum() >= share * len(segments):
            break
        if wrong[place] or len(photos) < 2:
            continue
        flipped, right = [place], segments.categories[place]
        for photo in photos[photos != segments.images[place]]:
            likes = np.flatnonzero((segments.images == photo) & (segments.categories == right) & ~wrong)
            if len(likes):
                flipped.append(int(likes[(segments.vectors[likes] @ segments.vectors[place]).argmax()]))
        categories[flipped] = rng.choice(numbers[numbers != right])
        wrong[flipped] = True
    return replace(segments, categories=categories), {segments.ids[place] for place in np.flatnonzero(wrong)}


def wrong_apart(segments: JudgedSegments, share: float, seed: int) -> tuple[JudgedSegments, set[UUID]]:
    """Flip labels, each by itself; returns what was flipped, too."""
    rng, categories, numbers = np.random.default_rng(seed), segments.categories.copy(), np.unique(segments.categories)
    places = rng.choice(len(segments), round(share * len(segments)), replace=False).tolist()
    for place in places:
        categories[place] = rng.choice(numbers[numbers != segments.categories[place]])
    return replace(segments, categories=categories), {segments.ids[place] for place in places}


def frames_figure(store: Path, preset: str, seeds: list[int]) -> Figures:
    """Trust by photos, and by groups of photos that show nearly the same, where wrong labels stand apart and where they
    are repeated over frames. Nothing is stored."""
    rows = defaultdict[tuple[str, str], list[Figures]](list)
    with opened(store, preset) as memory:
        frames, segments = memory.audit.frames(), memory.store.trust.segments()
        groups = grouped(segments, frames).images
        for seed in seeds:
            made = {"apart": wrong_apart(segments, 0.05, seed),
                    "on frames": wrong_on_frames(segments, groups, 0.05, seed)}  # fmt: skip
            for kind, (flipped, wrong) in made.items():
                for how, images in (("photos", segments.images), ("frames", groups)):
                    labels = judged_labels(memory.store, replace(flipped, images=images))
                    hits = np.array([label.id in wrong for label in labels])
                    rows[kind, how].append(judged(np.arange(len(hits), dtype=np.float64), hits))
    found: Figures = {"groups": frames.said()}
    for (kind, how), some in rows.items():
        found[f"wrong {kind}, trust by {how}"] = {key: float(np.mean([row[key] for row in some])) for key in some[0]}
    return found


def texts_figure(store: Path, preset: str, seeds: list[int]) -> Figures:
    """The share of classes that are told to be far from their text: with their own names, of ten that have each
    other's, and of the rest beside these. Nothing is stored."""
    with opened(store, preset) as memory:
        space, segments = memory.store.spaces.first(), memory.store.trust.segments()
        backbone = memory.session.components.component("backbone", space.backbone)
        rows, labels = np.unique(segments.categories, return_inverse=True)
        names = {row.id: row.name for row in memory.store.classes.all()}
        text = text_of(backbone, [names[row] for row in rows.tolist()])
    if text is None:
        return {"text_tower": False}
    vectors, classes = torch.from_numpy(segments.vectors), torch.from_numpy(labels)

    def far(order: NDArray[np.int64]) -> NDArray[np.bool_]:
        ranks, _ = text_ranks(vectors, classes, text[torch.from_numpy(order)], torch.arange(len(rows)))
        return (ranks > 1).numpy()

    told, others = [], []
    for seed in seeds:
        order, chosen = np.arange(len(rows)), np.random.default_rng(seed).choice(len(rows), 10, replace=False)
        order[chosen] = np.roll(chosen, 1)
        answer = far(order)
        told.append(answer[chosen].mean())
        others.append(np.delete(answer, chosen).mean())
    return {"segments": len(segments), "classes": len(rows), "far_with_own_names": int(far(np.arange(len(rows))).sum()),
            "of_the_exchanged": float(np.mean(told)), "of_the_others": float(np.mean(others))}  # fmt: skip


def main() -> None:
    """Run what was asked for and write it down."""
    parser = arguments(__doc__, "/tmp/retclip_audit")
    parser.add_argument("--scenes", type=int, default=1000, help="drawn scenes in the store")
    parser.add_argument("--shown", type=int, default=100, help="drawn scenes that are evaluated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=["camvid", "miniature"])
    parser.add_argument("--vote", action="store_true", help="figure 6 alone")
    parser.add_argument("--frames", action="store_true", help="the figure of frames alone")
    parser.add_argument("--texts", action="store_true", help="the figure of texts alone")
    given = parser.parse_args()
    take_folder(given.out)
    camvid, scenes = f"label-maps:{given.data / 'camvid'}?split=", f"miniature.scenes:{given.out / 'scenes'}?split="
    cases = {"camvid": ("appearance", f"{camvid}train", f"{camvid}val"),
             "miniature": ("miniature-retrieval", f"{scenes}store&count={given.scenes}",
                           f"{scenes}test&count={given.shown}")}  # fmt: skip
    for name, (preset, train, val) in cases.items():
        if given.only not in (None, name):
            continue
        store = given.out / name
        with retclip.open(store, preset=preset, create=True, missing_ok=True) as memory:
            memory.build(train)
        if given.frames:
            kind, found = "_frames", frames_figure(store, preset, given.seeds)
        elif given.texts:
            kind, found = "_texts", texts_figure(store, preset, given.seeds)
        elif given.vote:
            kind, found = "_vote", figure_6(store, given.out, preset, val, given.seeds[0])
        else:
            kind, found = "", figure_1(store, given.out, preset, val, given.seeds)
        file = given.out / f"{name}{kind}.json"
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(json.dumps({key: found[key] for key in found if key != "runs"}, indent=1), flush=True)


if __name__ == "__main__":
    main()
