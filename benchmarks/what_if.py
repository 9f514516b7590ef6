"""What-if equals truth: `explain --without` gives the label that a store without those segments gives.

    python benchmarks/what_if.py --out /tmp/what_if [--stored 200] [--segments 50]

A store of annotated miniature scenes; of scenes that it does not hold, segments are drawn at random. For each, what
gave it its label is left out, in turn the neighbours of its margin and every voter of its class.
The answer from the evidence alone is compared with that of segmenting the scene again while those segments are
quarantined. Writes OUT/what_if.json; exits with 1 where an answer that calls itself exact is not the truth.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
from real_photos import command, take_folder

import retclip
from retclip.workflows.explain.replay import label_of


def compared(memory: retclip.RetCLIP, scenes: str, wanted: int, seed: int) -> list[dict[str, Any]]:
    """One record for each segment that was asked about."""
    words, found = memory.prepare(None), []
    drawn = random.Random(seed)
    for record in memory.source(scenes).images():
        photo = record.load()
        result = memory.segment(photo, words)
        segments = [one for one in result.segments if one.proposal >= 0]
        for one in drawn.sample(segments, min(3, len(segments))):
            if len(found) == wanted:
                return found
            clock = time.perf_counter()
            why = result.explain(one)
            explained = time.perf_counter() - clock
            own = [near.id for near in why.neighbours if near.class_then == one.class_name]
            margin = list(why.margin.segments) if why.margin else []
            gone = (margin or own) if len(found) % 2 == 0 else own
            if not gone:
                continue
            clock = time.perf_counter()
            answer = memory.explain(result, one.id, without=gone).what_if
            asked = time.perf_counter() - clock
            event = memory.store.segments.quarantine(gone, "benchmark").event
            after = memory.segment(photo, words)
            memory.undo(event)
            truth = int(label_of(after.evidence, after.evidence.combined, after.evidence.void)[one.proposal])
            name = words.vocabulary.names[truth] if truth >= 0 else None
            pixels = after.label_map[result.mask_map == one.proposal]
            ids, counts = np.unique(pixels, return_counts=True)
            at_pixels = next((s.class_name for s in after.segments if s.id == ids[counts.argmax()]), None)
            found.append({
                "photo": Path(photo.uri).name, "segment": one.id, "was": one.class_name, "left_out": len(gone),
                "what_if": answer.label, "truth": name, "at_its_pixels": at_pixels, "exact": answer.exact,
                "margin": len(margin), "margin_exact": bool(why.margin and why.margin.exact),
                "seconds_explain": explained, "seconds_what_if": asked,
            })  # fmt: skip
            print(found[-1], flush=True)
    return found


def main() -> None:
    """Build, ask, compare, write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/what_if"))
    parser.add_argument("--stored", type=int, default=200, help="scenes in the store")
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--preset", default="miniature", help="or miniature-retrieval, where the vote alone decides")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    take_folder(given.out)
    store, scenes = given.out / "store", f"miniature.scenes:{given.out / 'scenes'}?"
    built, _ = command(
        "build", f"{scenes}split=store&count={given.stored}", "--preset", "miniature", "--store", str(store)
    )
    with retclip.open(store, preset=given.preset) as memory:
        rows = compared(memory, f"{scenes}split=test&count={given.segments}", given.segments, given.seed)
    right = sum(row["what_if"] == row["truth"] for row in rows)
    summary = {
        "preset": given.preset, "stored_scenes": given.stored, "stored_segments": built["segments"],
        "asked": len(rows), "right": right,
        "exact": sum(row["exact"] for row in rows), "changed": sum(row["what_if"] != row["was"] for row in rows),
        "same_at_its_pixels": sum(row["what_if"] == row["at_its_pixels"] for row in rows),
        "median_seconds_what_if": float(np.median([row["seconds_what_if"] for row in rows])),
        "median_seconds_explain": float(np.median([row["seconds_explain"] for row in rows])),
    }  # fmt: skip
    (given.out / "what_if.json").write_text(json.dumps({**summary, "rows": rows}, indent=1), encoding="utf-8")
    print(json.dumps(summary, indent=1))
    if any(row["exact"] and row["what_if"] != row["truth"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
