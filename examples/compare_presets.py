"""The same scenes by several systems: which is worth more? A preset names all parts, a setting swaps one of them.

    python compare_presets.py        # on 10 scenes
    python compare_presets.py 50     # on more: a figure of few scenes is a rough one

With data of yours, put addresses like `coco-panoptic:FOLDER?split=val` where the miniature draws its scenes.
"""

import sys
from collections.abc import Mapping
from typing import Any

import retclip

THINGS = "&things=fox&things=cat&things=bear&things=car&things=butterfly&things=doughnut"
# Patches of one colour in place of the mask queries; the head is left out, for it only speaks of masks that it found.
SUPERPIXELS = {"proposer": "reference.superpixels", "classifiers": ["retrieval.vote", "zero_shot.clip_text"]}
SYSTEMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # name -> preset, and what differs from it
    "FC-CLIP": ("miniature-fc-clip", {}),
    "retrieval alone": ("miniature-retrieval", {}),
    "RetCLIP": ("miniature", {}),
    "RetCLIP, superpixels": ("miniature", {"components": SUPERPIXELS}),
}


def compare(count: int = 10) -> None:
    """Build one store, evaluate every system on it, and print a table. count: scenes to store, and to judge on."""
    with retclip.open("compared", preset="miniature", create=True) as memory:
        memory.build(f"miniature.scenes:scenes?split=store&count={count}{THINGS}")
    print(f"{'':22}{'PQ':>6}{'mIoU':>6}  unseen:{'PQ':>6}{'mIoU':>6}")
    for name, (preset, settings) in SYSTEMS.items():
        with retclip.open("compared", preset=preset, settings=settings) as memory:
            found = memory.evaluate(f"miniature.scenes:scenes?split=demo&count={count}{THINGS}")
        unseen = found.groups.get("unseen")  # classes that the fine-tuning never saw
        figures = [found.pq, found.miou, unseen and unseen.pq, unseen and unseen.miou]
        all_pq, all_miou, new_pq, new_miou = ("-" if one is None else f"{one:.1f}" for one in figures)
        print(f"{name:22}{all_pq:>6}{all_miou:>6}  {'':7}{new_pq:>6}{new_miou:>6}")


if __name__ == "__main__":
    compare(*map(int, sys.argv[1:]))
