"""An explanation as text on stdout: the verdict, the vote, and the stored segments that voted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.cli import output
from retclip.cli.fitted_table import fitted_table
from retclip.names import MatchKind
from retclip.quantities import some

if TYPE_CHECKING:
    from retclip.names import LabelMatch
    from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation, NegativeExample
    from retclip.workflows.explain.what_if import WhatIf

KEYS = ("share", "distance", "label", "said by", "photo", "id")  # of a neighbour; label: what it was called then
EFFECT = "effect"  # of a layer that was fitted to the photo
OTHERS = ("decorrelated", "state", "detector", "mask", "made by", "weights", "box", "segment")
NOW = "label now"  # empty where it still is
SHORT_ID, SHOWN_CLASSES, SHOWN_MEMBERS = 8, 5, 4


def print_explanation(why: Explanation, wide: bool = False) -> None:
    """Print it. wide: every column of the neighbours."""
    segment = why.segment
    about = f"{segment.class_name}, score {segment.score:.3f}, {segment.area} pixels"
    output.line(f"segment {segment.id} of {why.image_uri}: {about}")
    output.line(why.verdict(), "  ")
    if why.masks > 1:
        made_of = f"made of {why.masks} masks; this is number {why.mask}, {why.mask_area} pixels"
        output.line(f"{made_of}; others: --at X,Y", "  ")
    if why.match is not None and why.match.how not in (MatchKind.EXACT, MatchKind.MISSING):
        output.line(_matched(why.match), "  ")
    for source, scores in {**why.scores, "together": why.combined}.items():
        cells = _votes(why) if why.vote and source == why.vote.classifier else _best(scores, segment.class_name)
        output.line(f"{source}: {cells}{_silent(why, source)}", "  ")
    if why.vote:
        output.line(f"the rule of {why.vote.classifier}: {why.vote.rule}", "  ")
    if len(set(why.gamma.values())) > 1:  # one weight for all is the setting
        output.line(f"gamma, the weight of the vote beside CLIP: {_best(why.gamma, segment.class_name)}", "  ")
    for near in why.prototypes:
        output.line(f"nearest prototype: {near.told(len(near.members) if wide else SHOWN_MEMBERS)}", "  ")
    for example in why.negatives:
        _print_negative(example)
    if why.margin is not None:
        output.line(f"margin: {why.margin.told(segment.class_name)}", "  ")
    if why.what_if is not None:
        _print_what_if(why.what_if)
    rows = [_row(near) for near in why.neighbours]
    renamed = any(row[NOW] for row in rows)
    keys, optional = ((*KEYS, NOW), OTHERS) if renamed else (KEYS, (*OTHERS, NOW))
    if any(row[EFFECT] for row in rows):
        keys = (EFFECT, *keys)
    fitted_table("neighbours, nearest first", keys, optional, rows, wide)
    for run, components in sorted(_runs(why).items()):
        output.message(f"  run {run}, {components}")


def _print_negative(example: NegativeExample) -> None:
    """Print a negative example that kept neighbours from voting; the others changed nothing."""
    if example.barred:
        nearest = f"the nearest of {example.examples} negative examples, {str(example.nearest)[:SHORT_ID]}"
        kept = f"{example.barred} neighbours of {example.class_name} did not vote"
        where = f"at {example.distance:.4f}, decorrelated"
        output.line(f"{kept}: {nearest} {where}, is as near as they, or as the second", "  ")


def _print_what_if(answer: WhatIf) -> None:
    output.line(answer.verdict(), "  ")
    output.line(f"together: {_best(answer.combined, answer.label or '')}", "    ")
    if answer.votes:
        first = dict(list(answer.votes.items())[:SHOWN_CLASSES])
        output.line(f"the vote: {_best(first, answer.label or '')}", "    ")
    if answer.lost:
        output.line(f"no stored segment would be left of {', '.join(answer.lost)}", "    ")
    for reason in answer.reasons:
        output.line(f"not known: {reason}", "    ")


def _best(scores: Mapping[str, float], label: str) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value or name == label)


def _votes(why: Explanation) -> str:
    """Return the vote, and the number of its neighbours."""
    different = len({near.id for near in why.neighbours})
    twice = "" if different == len(why.neighbours) else f" ({different} segments, some under several names)"
    return f"{why.told_votes() or 'nothing'} from {len(why.neighbours)} neighbours{twice}"


def _silent(why: Explanation, source: str) -> str:
    names = why.unknown.get(source, [])
    if not names:
        return ""
    if len(names) == len(why.classes):
        return " (it can say nothing of this mask)"
    return f" (it can say nothing of {some(names, SHOWN_CLASSES)})"


def _matched(match: LabelMatch) -> str:
    """Return the match of a class that the store calls otherwise."""
    how_far = f", similarity {match.similarity:.3f}" if match.similarity < 1 else ""
    if match.how is MatchKind.FALLBACK:
        return f"{match.name}: fetched as {match.nearest!r} from {match.dataset}{how_far}"
    return f"{match.name}: {match.store_class!r} of the store stands for it ({match.how}{how_far})"


def _row(near: ExplainedNeighbour) -> dict[str, Any]:
    """Return a neighbour's cells, by column."""
    from retclip.workflows.building.provenance import told_weights

    share = None if near.share is None else f"{near.share:.4f}"
    effect = None if near.effect is None else f"{near.effect:+.4f}"
    figures = {"share": share, EFFECT: effect, "distance": f"{near.distance:.4f}", "label": near.label}
    again = None if near.decorrelated is None else f"{near.decorrelated:.4f}"
    names = {"id": str(near.id)[:SHORT_ID], "segment": near.id, "decorrelated": again}
    cells = {**dict.fromkeys((*KEYS, EFFECT, *OTHERS, NOW)), **figures, **names}
    stored = near.stored
    if stored is None:
        return {**cells, NOW: "gone"}
    scores = {"detector": stored.detector_score, "mask": stored.mask_score}
    return {
        **cells,
        NOW: near.renamed,
        "said by": f"{stored.said_by} {stored.labelled_by}",
        "photo": Path(stored.image_uri).name,
        "state": stored.status,
        "made by": f"{stored.proposer} {stored.proposer_version}",
        "weights": told_weights(stored.components, "proposer"),
        "box": ",".join(map(str, stored.box)),
        **{name: None if value is None else f"{value:.3f}" for name, value in scores.items()},
    }


def _runs(why: Explanation) -> dict[int, str]:
    """Return the source and components of each run that made a neighbour, or only its vector."""
    from retclip.workflows.building.provenance import told_components

    vectors = {
        near.vector_run: f"the vectors that were searched: {told_components(near.vector_components)}"
        for near in why.neighbours
        if near.stored and near.vector_run is not None
    }
    stored = [near.stored for near in why.neighbours if near.stored]
    return vectors | {segment.run: f"{segment.source}: {told_components(segment.components)}" for segment in stored}
