"""`retclip explain`: why a segment got its label, as text, JSON or a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.explained import print_explanation
from retclip.cli.fallback import say_missing
from retclip.errors import ConfigError


@dataclass(frozen=True)
class Place:
    """Which segment."""

    segment: Annotated[int | None, typer.Option(help="The segment's id (see the COCO JSON or --json).")] = None
    at: Annotated[str | None, typer.Option(metavar="X,Y", help="The mask under this pixel.")] = None

    @property
    def pixel(self) -> tuple[int, int] | None:
        """Return (x, y) from the upper left. Raises ConfigError for any other text."""
        if self.at is None:
            return None
        x, comma, y = self.at.partition(",")
        if not (comma and x.strip().isdecimal() and y.strip().isdecimal()):
            raise ConfigError("--at X,Y in whole pixels", repr(self.at), "write e.g. --at 120,80")
        return int(x), int(y)


@dataclass(frozen=True)
class LeftOut:
    """What the answer is asked without. Each may be repeated, or list several with commas."""

    without: Annotated[
        list[str] | None, typer.Option(metavar="SEGMENT", help="The answer as it would be without this stored segment.")
    ] = None
    without_run: Annotated[
        list[int] | None, typer.Option(metavar="RUN", help="The same without every segment that this run stored.")
    ] = None
    without_class: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="The same without every segment of this class.")
    ] = None

    def as_arguments(self) -> dict[str, Any]:
        """Return the arguments of `RetCLIP.explain`."""
        return {
            "without": options.separated(self.without, "--without"), "without_run": self.without_run or (),
            "without_class": options.separated(self.without_class, "--without-class"),
        }  # fmt: skip


@options.spread
def explain(
    target: Annotated[Path, typer.Argument(help="An .evidence.npz written by `segment`, or a photo.")],
    setup: options.Setup,
    place: Place,
    left_out: LeftOut,
    picture: Annotated[Path | None, typer.Option(help="Write a PNG with the crops.")] = None,
    wide: options.Wide = False,
    classes: Annotated[str | None, typer.Option(help="For a photo: the classes to choose from.")] = None,
    classifier: options.Classifiers = None,
) -> None:
    """Show the stored segments that caused a label: what each gave to the vote, how near it is, where it came from; the
    scores of each source; and which neighbours would have to go for another label. With --without, --without-run or
    --without-class also the answer as it would be: no model is loaded for it."""
    from retclip.workflows.explain.evidence_file import SUFFIX
    from retclip.workflows.explain.explanation import check_picture

    decided, models = target.name.endswith(SUFFIX), setup.models
    choices = {
        "--classes": classes, "--backbone": models.backbone, "--proposer": models.proposer, "--classifier": classifier,
    }  # fmt: skip
    if decided and (chosen := [flag for flag, value in choices.items() if value]):
        got = f"{target.name}, which tells of what was decided already, with {', '.join(chosen)}"
        raise ConfigError("a photo where models or classes are chosen", got, "leave them out, or name the photo")
    if picture:
        check_picture(picture, "--picture")
    flags, required = models.flags(classifiers=classifier), options.nothing if decided else options.to_segment
    with options.opened(setup.store, models.config, flags, required=required) as memory:
        if decided:
            why = memory.explain(target, place.segment, place.pixel, **left_out.as_arguments())
        else:
            prepared = memory.prepare(classes)
            say_missing(memory, prepared, setup.store)
            result = memory.segment(target, prepared)
            why = memory.explain(result, place.segment, place.pixel, **left_out.as_arguments())
        if picture:
            why.save(picture)
            output.message(f"wrote {picture}")
    if models.json:
        output.data(why.as_dict())
    else:
        print_explanation(why, wide)
