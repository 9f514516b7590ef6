"""`retclip segment`: photos in, panoptic PNG + COCO JSON, overlay and evidence out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.fallback import FillMissing, filled, say_missing
from retclip.cli.progress import Progress
from retclip.errors import DataError, PartialFailure

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.contracts import SourceImage
    from retclip.report.result_writer import ResultWriter
    from retclip.store.ledger import Failure

Paths = Annotated[list[str], typer.Argument(help="Photos, folders, globs, or reader:path sources.")]
Classes = Annotated[str | None, typer.Option(help="A comma list or a file (default: the store's classes).")]


def segment(
    paths: Paths,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("retclip-out"),
    store: options.Store = options.DEFAULT_STORE,
    classes: Classes = None,
    fill_missing: FillMissing = False,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    classifier: options.Classifiers = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Label every pixel and every object of photos. A bad photo, also one of --fill-missing, is listed in failures.csv
    and never stops the rest."""
    given = options.flags(settings, preset, backbone, proposer, classifier)
    with options.opened(store, config, given, missing_ok=not fill_missing) as retclip:
        fill = filled(retclip, classes) if fill_missing else None
        prepared = retclip.prepared(classes)
        from retclip.report.result_writer import ResultWriter  # not before the components are known to be here

        if fill is None:
            say_missing(retclip, prepared)
        records = [record for path in paths for record in retclip.source(path).images()]
        if not records:
            raise DataError("at least one photo", f"none in {', '.join(paths)}", "name photos, folders or globs")
        stopped = output.told_when_stopped(f"stopped; what was segmented lies in {out}")
        bar = Progress("segment", len(records))
        with stopped, ResultWriter(out, prepared.vocabulary) as writer, bar:
            done, failures = _all(retclip, prepared.vocabulary, records, writer, bar)
    unusable = [*(fill.failures if fill else ()), *failures]
    output.write_failures(out / "failures.csv", unusable)
    if json:
        told = {"out": str(out), "images": done, "failures": [vars(one) for one in failures]}
        output.data({**told, "fill": fill.as_dict()} if fill else told)
    output.message(f"{len(done)} photos segmented into {out}, {len(failures)} failed")
    _exit(out, done, unusable)


def _all(
    retclip: RetCLIP, vocabulary: Any, records: Sequence[SourceImage], writer: ResultWriter, bar: Progress
) -> tuple[list[dict[str, Any]], list[Failure]]:
    from retclip.store.ledger import Failure
    from retclip.workflows.decode_ahead import decoded
    from retclip.workflows.in_groups import in_groups

    done: list[dict[str, Any]] = []
    failures: list[Failure] = []
    size = retclip.settings.device.batch_size
    for record, answer in in_groups(decoded(records), size, lambda images: retclip.segment_all(images, vocabulary)):
        try:
            if isinstance(answer, DataError):
                raise answer
            name = writer.add(answer, Path(record.external_id).stem)
            done.append({"name": name, "uri": record.uri, "segments": len(answer.segments)})
        except DataError as error:
            failures.append(Failure(record.external_id, record.uri, str(error)))
        bar.update(len(done) + len(failures), len(failures))
    return done, failures


def _exit(out: Path, done: Sequence[Any], failures: Sequence[Failure]) -> None:
    if not failures:
        return
    kind = PartialFailure if done else DataError
    raise kind(
        "every photo to be readable", f"{len(failures)} that failed, first {failures[0]}", f"see {out}/failures.csv"
    )
