"""`retclip explain`: why a segment got its label, as text, JSON or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.fallback import say_missing
from retclip.errors import ConfigError
from retclip.names import MatchKind

if TYPE_CHECKING:
    from retclip.names import LabelMatch
    from retclip.store.catalog import StoredSegment
    from retclip.types import PanopticSegmentation
    from retclip.workflows.explain import Explanation

KNOWN = ("label now", "said by", "status", "detector", "mask", "made by", "weights", "image", "box")  # of a neighbour


def explain(
    target: Annotated[Path, typer.Argument(help="An .evidence.npz written by `segment`, or a photo.")],
    store: options.Store = options.DEFAULT_STORE,
    segment: Annotated[int | None, typer.Option(help="The segment's id (see the COCO JSON or --json).")] = None,
    at: Annotated[str | None, typer.Option(metavar="X,Y", help="The mask under this pixel.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a PNG with the crops.")] = None,
    classes: Annotated[str | None, typer.Option(help="For a photo: the classes to choose from.")] = None,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    classifier: options.Classifiers = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Show the stored segments that caused a label, with distances, provenance and the scores of each source."""
    from retclip.workflows.evidence_file import SUFFIX, load_evidence
    from retclip.workflows.explain import explain as explained

    decided = target.name.endswith(SUFFIX)
    choices = {"--classes": classes, "--backbone": backbone, "--proposer": proposer, "--classifier": classifier}
    if decided and (chosen := [flag for flag, value in choices.items() if value]):
        came = f"{target.name}, which tells of what was decided already, with {', '.join(chosen)}"
        raise ConfigError("a photo where models or classes are chosen", came, "leave them out, or name the photo")
    given = options.flags(settings, preset, backbone, proposer, classifier)
    required = options.nothing if decided else options.to_segment
    with options.opened(store, config, given, required=required) as retclip:
        if decided:
            result, evidence = load_evidence(target)
        else:
            say_missing(retclip, retclip.prepared(classes), store)
            found = retclip.segment(target, classes)
            result, evidence = found.panoptic, found.evidence
        why = explained(retclip.store, result, evidence, *_chosen(result, segment, at))
        if picture:
            from retclip.report.explanation import save_picture

            save_picture(picture, retclip.store, result, why)
            output.message(f"wrote {picture}")
    if json:
        output.data(as_dict(why))
    else:
        _print(why)


def _chosen(result: PanopticSegmentation, segment: int | None, at: str | None) -> tuple[int, int | None]:
    from retclip.workflows.explain import segment_at

    if (segment is None) == (at is None):
        raise ConfigError("one of --segment ID and --at X,Y", "both" if segment is not None else "neither", "give one")
    if segment is not None:
        return segment, None
    x, comma, y = str(at).partition(",")
    if not (comma and x.strip().isdecimal() and y.strip().isdecimal()):
        raise ConfigError("--at X,Y in whole pixels", repr(at), "write e.g. --at 120,80")
    return segment_at(result, int(x), int(y))


def as_dict(why: Explanation) -> dict[str, Any]:
    """An explanation as plain data."""
    from dataclasses import asdict

    return asdict(why)


def _matched(match: LabelMatch) -> str:
    """How the class was found in the store, where it is not called so there."""
    how_far = f", similarity {match.similarity:.3f}" if match.similarity < 1 else ""
    if match.how is MatchKind.FALLBACK:
        return f"{match.name}: fetched as {match.nearest!r} from {match.dataset}{how_far}"
    return f"{match.name}: {match.store_class!r} of the store stands for it ({match.how}{how_far})"


def _print(why: Explanation) -> None:
    one = why.segment
    output.message(f"segment {one.id} of {why.image_uri}: {one.class_name}, score {one.score:.3f}, {one.area} pixels")
    if why.masks > 1:
        output.message(
            f"  made of {why.masks} masks; this is number {why.mask}, {why.mask_area} pixels; others: --at X,Y"
        )
    if why.match is not None and why.match.how not in (MatchKind.EXACT, MatchKind.MISSING):
        output.message(f"  {_matched(why.match)}")
    for source, scores in {**why.scores, "together": why.combined}.items():
        output.message(f"  {source}: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    rows = [(f"{near.distance:.4f}", near.class_then, *_known(near.stored), near.id) for near in why.neighbours]
    output.table("neighbours, nearest first", ("distance", "label then", *KNOWN, "segment"), rows)
    for run, told in sorted(_runs(why).items()):
        output.message(f"  run {run}, {told}")


def _known(stored: StoredSegment | None) -> tuple[str, ...]:
    """What the store knows of a neighbour now, in the order of KNOWN."""
    from retclip.workflows.provenance import told_weights

    if stored is None:
        return "gone", *[""] * (len(KNOWN) - 1)
    scores = ("" if one is None else f"{one:.3f}" for one in (stored.detector_score, stored.mask_score))
    made_by = f"{stored.proposer} {stored.proposer_version}"
    place = (Path(stored.image_uri).name, ",".join(map(str, stored.box)))
    said_by = f"{stored.label_source} {stored.labelled_by}"
    weights = told_weights(stored.components, "proposer")
    return stored.class_name, said_by, stored.status, *scores, made_by, weights, *place


def _runs(why: Explanation) -> dict[int, str]:
    """What each run that made one of the neighbours read, and with which components; also of runs that made only the
    vectors by which they were found."""
    from retclip.workflows.provenance import told_components

    vectors = {
        near.vector_run: f"the vectors that were searched: {told_components(near.vector_components)}"
        for near in why.neighbours
        if near.stored and near.vector_run is not None
    }
    known = [near.stored for near in why.neighbours if near.stored]
    return vectors | {one.run: f"{one.source}: {told_components(one.components)}" for one in known}
