"""Parts of an evaluation, added up: in the order of the images, so that the figures are those of one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from retclip.errors import DataError
from retclip.passed_over import PassedOver, Tally
from retclip.store.records import Failure
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation, summary
from retclip.workflows.evaluation.oracle_costs import oracle_costs
from retclip.workflows.evaluation.run_folder import RunFolder, oracle_folder, oracles_in


def merge_parts(folders: Sequence[Path], bootstrap: Bootstrap = Bootstrap()) -> tuple[Evaluation, int]:
    """Return the figures over all parts, and how many images of the source are in none of them.

    Raises DataError where the parts are of different evaluations, two have the same image, or one is not finished;
    ConfigError for a folder that is no evaluation.
    """
    runs = [RunFolder.finished(folder) for folder in folders]
    failures = tuple(Failure(**failure) for run in runs for failure in run.failures())
    first = runs[0].configuration
    counters, left_out = _added_up(runs)
    if not counters.images:
        raise DataError(f"at least one counted image in {', '.join(map(str, folders))}", "none", "finish the parts")
    told = replace(left_out, bad=())  # `failures` lists them
    evaluation = summary(counters, first.seen, first.missing, failures, first.settings, bootstrap, told)
    of_oracle = {
        name: _added_up([RunFolder.finished(oracle_folder(folder, name)) for folder in folders])[0]
        for name in oracles_in(folders[0])
    }
    costs = oracle_costs(counters, of_oracle, first.seen, bootstrap.drawings, bootstrap.seed)
    absent = sum(not any(run.part.has(number) for run in runs) for number in range(first.images))
    return replace(evaluation, oracles=costs), absent


def _added_up(runs: Sequence[RunFolder]) -> tuple[Counters, PassedOver]:
    """Return the sums over the parts in the order of the images, and what was left out of their annotation."""
    counters, tally = runs[0].configuration.counters(), Tally()
    streams = {id(run): run.counts() for run in runs}
    for run in _owners(runs).values():
        counts = next(streams[id(run)])
        counters.include(counts)
        tally.add(counts.passed_over)
    return counters, tally.total


def _owners(runs: Sequence[RunFolder]) -> dict[int, RunFolder]:
    """Return the part that has each image, in the order of the images."""
    owners: dict[int, RunFolder] = {}
    for run in runs:
        if run.configuration.digest != runs[0].configuration.digest:
            todo = "merge parts of one evaluation; `configuration` in run.json says of which each is"
            changes = run.configuration.differing(asdict(runs[0].configuration))
            got = f"another one in {run.folder}: {changes}"
            raise DataError(f"parts of the evaluation in {runs[0].folder}", got, todo)
        for number in run.numbers:
            if number in owners:
                got = f"image {number} in {owners[number].folder} and {run.folder}"
                raise DataError("each image in one part", got, "name each part once")
            owners[number] = run
    return dict(sorted(owners.items()))
