"""A class from a handful of pictures, why it is told now, and how it is taken back.

    python add_a_class.py

With photos of yours: `memory.classes.add("umbrella", "umbrellas/", marks=retclip.Marks(crops=True))` for a folder of
photos that show an umbrella and little else; boxes, points and masks of it are marks, too. The README's pictures are
made by this script.
"""

import numpy as np
from PIL import Image

import retclip

THINGS = "&things=bear&things=butterfly&things=cat&things=doughnut"
STORED = f"miniature.scenes:scenes?split=store&count=6{THINGS}"  # none of them shows an umbrella
UMBRELLAS = "miniature.scenes:scenes?split=store&seed=1&count=2&things=umbrella"  # in two pictures
PHOTO = f"miniature.scenes:scenes?split=demo&seed=11&count=1{THINGS}&things=umbrella"
NAMES = ["bear", "brick wall", "butterfly", "cat", "doughnut", "umbrella"]


def add_a_class() -> None:
    """Segment a picture before and after the addition and after it was undone; save what was seen, and why."""
    with retclip.open("store", preset="miniature", create=True) as memory:
        memory.build(STORED)
        photo = next(memory.source(PHOTO).images()).load()

        before = memory.segment(photo, NAMES)
        print("before:", before)
        added = memory.classes.add("umbrella", UMBRELLAS)
        print("added:", added.runs[0].segments, "segments of umbrellas")
        after = memory.segment(photo, NAMES)
        print("after:", after)

        umbrella = next(segment for segment in after.segments if segment.class_name == "umbrella")
        why = after.explain(umbrella)
        print("why:", why.verdict())
        for near in why.neighbours[:3]:
            print(f"  {near.class_then} at distance {near.distance:.3f}, of {near.stored and near.stored.image_uri}")

        memory.undo(added.events[-1])  # the segments stay in the history, and no search finds them
        print("undone:", memory.segment(photo, NAMES))

    seen = [photo.pixels, before.overlay(legend=False), after.overlay(legend=False)]
    Image.fromarray(np.concatenate(seen, axis=1)).save("before_after.png")
    why.save("why.png")


if __name__ == "__main__":
    add_a_class()
