"""The paper's finding in miniature: FC-CLIP, retrieval alone and RetCLIP on 200 scenes that nothing was trained on.

    python benchmarks/miniature.py --out /tmp/miniature

Runs the commands that a person would run (they are printed) and writes OUT/miniature.json, OUT/miniature.md and a page
per system. The store comes first from annotated scenes of the same style (A), then from drawings of which only the
names of what they show are known (B): there the proposer's masks get assigned labels. Rows beside: trust in the vote of
retrieval alone. Weights, alpha, beta and gamma
are the presets'; nothing is chosen on these scenes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from real_photos import command, take_folder

SYSTEMS = {"FC-CLIP": "miniature-fc-clip", "retrieval alone": "miniature-retrieval", "RetCLIP": "miniature"}
TRUST = ("weight", "filter")  # uses of trust in the vote of retrieval alone, for rows beside
OTHER_STYLE = ("--set", "build.proposer=mask2former.queries")  # where there are no masks to take
FIGURES = ("pq", "map", "miou")
Figures = dict[str, Any]


def groups(answer: Figures) -> Figures:
    """The figures of all classes, and of seen and unseen ones apart, in percent."""
    found = {"all": answer, **answer["groups"]}
    return {name: {key: one[key] for key in FIGURES} for name, one in found.items()}


def measured(out: Path, stored: int, shown: int) -> Figures:
    """Both stores built, every system evaluated; FC-CLIP asks no store."""
    scenes = f"miniature.scenes:{out / 'scenes'}?"
    sources = {"A": (f"{scenes}split=store&count={stored}",),
               "B": (f"{scenes}split=store&style=drawing&labels=names&count={stored}", *OTHER_STYLE)}  # fmt: skip
    test = f"{scenes}split=test&count={shown}"
    found: Figures = {"stored_scenes": stored, "test_scenes": shown, "systems": {}}
    for name, source in sources.items():
        store = str(out / f"store_{name}")
        built, seconds = command("build", *source, "--preset", "miniature", "--store", store)
        found[name] = {"segments": built["segments"], "seconds": seconds}
        for system, preset in SYSTEMS.items():
            if preset == "miniature-fc-clip" and name == "B":
                continue
            page = str(out / f"{preset}_{name}.html")
            answer, seconds = command("evaluate", test, "--preset", preset, "--store", store, "--report", page)
            row = system if preset == "miniature-fc-clip" else f"{system}, store {name}"
            found["systems"][row] = {**groups(answer), "seconds": seconds}
        command("audit", "mislabels", "--store", store)  # computes the trust
        for use in TRUST:
            vote = ("--set", f"plugin.retrieval.vote.trust={use}")
            answer, seconds = command("evaluate", test, "--preset", SYSTEMS["retrieval alone"], *vote, "--store", store)
            row = f"retrieval alone, trust as {use}, store {name}"
            found["systems"][row] = {**groups(answer), "seconds": seconds}
    return found


def table(systems: Figures) -> str:
    """The figures as Markdown; in brackets what is above FC-CLIP."""
    names = ("all", "seen", "unseen")
    heads = [f"{key} {name}" for name in names for key in ("PQ", "mAP", "mIoU")]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    base = systems["FC-CLIP"]
    for system, row in systems.items():
        cells = [
            f"{row[name][key]:.1f}" + ("" if row is base else f" ({row[name][key] - base[name][key]:+.1f})")
            for name in names
            for key in FIGURES
        ]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/miniature"))
    parser.add_argument("--stored", type=int, default=1000, help="scenes in each store")
    parser.add_argument("--shown", type=int, default=200, help="test scenes")
    given = parser.parse_args()
    take_folder(given.out)
    for name in "AB":
        shutil.rmtree(given.out / f"store_{name}", ignore_errors=True)
    found = measured(given.out, given.stored, given.shown)
    (given.out / "miniature.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (given.out / "miniature.md").write_text(table(found["systems"]), encoding="utf-8")
    print(table(found["systems"]))


if __name__ == "__main__":
    main()
