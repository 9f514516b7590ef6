"""`retclip explain`: why a segment got its label, as text, JSON or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.explained import print_explanation
from retclip.cli.fallback import say_missing
from retclip.errors import ConfigError
from retclip.own_files import require_replaceable

if TYPE_CHECKING:
    from retclip.types import PanopticSegmentation


def explain(
    target: Annotated[Path, typer.Argument(help="An .evidence.npz written by `segment`, or a photo.")],
    store: options.Store = options.DEFAULT_STORE,
    segment: Annotated[int | None, typer.Option(help="The segment's id (see the COCO JSON or --json).")] = None,
    at: Annotated[str | None, typer.Option(metavar="X,Y", help="The mask under this pixel.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a PNG with the crops.")] = None,
    wide: options.Wide = False,
    classes: Annotated[str | None, typer.Option(help="For a photo: the classes to choose from.")] = None,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    classifier: options.Classifiers = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Show the stored segments that caused a label: what each gave to the vote, how near it is, where it came from; and
    the scores of each source."""
    from retclip.workflows.explain.evidence_file import SUFFIX, load_evidence
    from retclip.workflows.explain.explain import explain as explained

    decided = target.name.endswith(SUFFIX)
    choices = {"--classes": classes, "--backbone": backbone, "--proposer": proposer, "--classifier": classifier}
    if decided and (chosen := [flag for flag, value in choices.items() if value]):
        came = f"{target.name}, which tells of what was decided already, with {', '.join(chosen)}"
        raise ConfigError("a photo where models or classes are chosen", came, "leave them out, or name the photo")
    if picture:
        require_replaceable(picture, "--picture")
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
        output.data(why.as_dict())
    else:
        print_explanation(why, wide)


def _chosen(result: PanopticSegmentation, segment: int | None, at: str | None) -> tuple[int, int | None]:
    from retclip.workflows.explain.explain import segment_at

    if (segment is None) == (at is None):
        raise ConfigError("one of --segment ID and --at X,Y", "both" if segment is not None else "neither", "give one")
    if segment is not None:
        return segment, None
    x, comma, y = str(at).partition(",")
    if not (comma and x.strip().isdecimal() and y.strip().isdecimal()):
        raise ConfigError("--at X,Y in whole pixels", repr(at), "write e.g. --at 120,80")
    return segment_at(result, int(x), int(y))
