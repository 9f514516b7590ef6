"""What a result holds, in a line and as plain data; and where it holds nothing, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import ndimage

from retclip.algorithms.panoptic_merge import against_rest
from retclip.evidence import Evidence
from retclip.types import ClassScores, Neighbours, PanopticSegmentation

NAMED = 8  # classes in a line; the rest are counted


class Nothing(StrEnum):
    """Why nothing of a photo was labelled."""

    NO_MASKS = "no mask was found in the photo"
    NO_NAMES = "none of the classifiers knows any of these names"
    NO_OBJECT = "the models took every mask for no object"
    NOT_ASKED = "every mask looks more like what is stored and was not asked for"
    TOO_UNSURE = "no mask scored high enough"
    OVERLAPPED = "no mask kept enough of its pixels beside the others"


@dataclass(frozen=True)
class ClassShare:
    """One class of a result.

    share: of the photo's pixels, [0, 1].
    """

    name: str
    is_thing: bool
    segments: int
    share: float


def class_shares(result: PanopticSegmentation) -> tuple[ClassShare, ...]:
    """Return the classes of a result, things before stuff, the largest first."""
    shares: dict[str, ClassShare] = {}
    for segment in result.segments:
        earlier = shares.get(segment.class_name, ClassShare(segment.class_name, segment.is_thing, 0, 0.0))
        share = earlier.share + segment.area / result.label_map.size
        shares[segment.class_name] = ClassShare(earlier.name, earlier.is_thing, earlier.segments + 1, share)
    return tuple(sorted(shares.values(), key=lambda share: (not share.is_thing, -share.share, share.name)))


def labelled_share(result: PanopticSegmentation) -> float:
    """Return the share of the photo's pixels that got a label, [0, 1]."""
    return float(np.count_nonzero(result.label_map) / max(1, result.label_map.size))


def summary_line(result: PanopticSegmentation) -> str:
    """Return things by number, stuff by share, and the labelled share: "1 cat, sky 41 %, 93 % labelled"."""
    classes = class_shares(result)
    phrases = [
        f"{share.segments} {share.name}" if share.is_thing else f"{share.name} {percent(share.share)}"
        for share in classes[:NAMED]
    ]
    more = [f"{len(classes) - NAMED} other classes"] if len(classes) > NAMED else []
    return ", ".join([*phrases, *more, f"{percent(labelled_share(result))} labelled"])


def percent(share: float) -> str:
    """Return a share in whole percent; only nothing is 0 and only everything is 100."""
    rounded = round(100 * share)
    if share > 0 and rounded == 0:
        return "under 1 %"
    return "over 99 %" if share < 1 and rounded == 100 else f"{rounded} %"


def as_dict(result: PanopticSegmentation) -> dict[str, Any]:
    """Return segments with class, score, area and box, the classes, and the labelled share.

    A box is [x, y, width, height] in pixels, as in COCO's JSON.
    """
    places = ndimage.find_objects(result.label_map)
    segments = [
        {
            "id": segment.id, "class": segment.class_name, "is_thing": segment.is_thing,
            "score": round(segment.score, 6), "area": segment.area, "bbox": _box(places[segment.id - 1]),
        }
        for segment in result.segments
    ]  # fmt: skip
    classes = {
        share.name: {"is_thing": share.is_thing, "segments": share.segments, "share": round(share.share, 6)}
        for share in class_shares(result)
    }
    return {"labelled": round(labelled_share(result), 6), "classes": classes, "segments": segments}


def _box(place: tuple[slice, slice]) -> list[int]:
    rows, columns = place
    return [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]


def why_nothing(evidence: Evidence) -> Nothing:
    """Return why a result has no segments: the rule that took the last mask, read off the scores."""
    if not len(evidence.combined):
        return Nothing.NO_MASKS
    asked = evidence.vocabulary.asked
    if not any(bool(scores.knows[:asked].any()) for scores in evidence.scores):
        return Nothing.NO_NAMES
    combined, void = against_rest(evidence.combined, evidence.void, asked)
    best = combined.max(dim=1).values if combined.shape[1] else void * 0
    if not bool((best > void).any()):
        if bool((void > evidence.void.to(void)).any()):  # the rest was above what the models say
            return Nothing.NOT_ASKED
        return Nothing.NO_OBJECT if bool(void.any()) else Nothing.TOO_UNSURE
    threshold = float(evidence.settings.get("segment", {}).get("object_mask_threshold", 0.0))
    return Nothing.OVERLAPPED if bool((best > threshold).any()) else Nothing.TOO_UNSURE


def told_nothing(evidence: Evidence) -> str:
    """Return the reason for a person, with the nearest name."""
    reason = why_nothing(evidence)
    if reason in (Nothing.NO_MASKS, Nothing.NO_NAMES):
        return reason
    combined, void = against_rest(evidence.combined, evidence.void, evidence.vocabulary.asked)
    best, classes = combined.max(dim=1)
    mask = int(best.argmax())
    name = evidence.vocabulary.names[int(classes[mask])]
    beside = f" beside {float(void[mask]):.2f} for none" if reason in (Nothing.NO_OBJECT, Nothing.NOT_ASKED) else ""
    return f"{reason} (surest: {name} {float(best[mask]):.2f}{beside})"


def unasked_classes(evidence: Evidence) -> tuple[str, ...]:
    """Return the stored classes that were not asked for and took masks from those that were (`segment.unasked`).

    The order is by the boxes of their masks, largest first; a mask that was cut from a tree is what each of its parts
    is. None where nothing competed, or no vote says whose it is.
    """
    near, words = evidence.neighbours, evidence.vocabulary
    if not words.has_rest or near is None or near.of_rest is None:
        return ()
    asked, void = against_rest(evidence.combined, evidence.void, words.asked)
    rest = evidence.combined[:, -1]
    lost = ((rest > 0) & (rest >= void) & (rest >= asked.amax(dim=1))).tolist()  # (n,)
    x0, y0, x1, y1 = evidence.boxes.T
    boxes = ((x1 - x0) * (y1 - y0)).tolist()
    parts = None if evidence.inputs is None else evidence.inputs.parts
    owners = [] if parts is None else parts.owner.tolist()  # (l,)
    cut, alone = frozenset(owners), _voted_away(near, evidence.scores)
    looks = [(mask, 1.0, number) for mask, number in enumerate(alone) if mask not in cut]
    if parts is not None:
        looks += zip(owners, parts.shares.tolist(), _voted_away(parts.neighbours, parts.scores), strict=True)
    areas: Counter[int] = Counter()
    for mask, share, number in looks:
        if lost[mask] and number is not None:
            areas[number] += round(boxes[mask] * share)
    return tuple(words.synonyms[-1][number] for number, _ in areas.most_common())


def _voted_away(near: Neighbours, scores: Sequence[ClassScores]) -> list[int | None]:
    """Return of each mask which class of the rest voted it away, None where another class has more votes."""
    vote = next((source for source in scores if source.shares is not None), None)
    if vote is None or vote.shares is None or near.of_rest is None or not near.of_rest.shape[1]:
        return [None] * len(near.classes)
    won = (vote.values[:, -1] >= vote.values.amax(dim=1))[:, None]  # (n, 1)
    voting = won & (near.of_rest >= 0) & (vote.shares > 0)  # (n, k)
    first = voting.int().argmax(dim=1, keepdim=True)  # (n, 1)
    own = near.of_rest.gather(1, first)[:, 0].tolist()
    return [number if some else None for number, some in zip(own, voting.any(dim=1).tolist(), strict=True)]
