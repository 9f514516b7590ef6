"""Things and stuff among the 150 classes of ADE20K's challenge, as its panoptic data set divides them: 100 and 50.

Source: the things are the classes of the challenge's instance task (categoryMapping.txt); the panoptic annotations of
Mask2Former (Cheng et al. 2022, arXiv:2112.01527) and FC-CLIP's `isthing` agree with it. The column `Stuff` of
objectInfo150.csv is another division: it differs in 15 classes, tree, plant and tent among them.
"""

from __future__ import annotations

from collections.abc import Mapping

CLASSES = 150
STUFF = {
    1: "wall", 2: "building", 3: "sky", 4: "floor", 5: "tree", 6: "ceiling", 7: "road", 10: "grass", 12: "sidewalk",
    14: "earth", 17: "mountain", 18: "plant", 22: "water", 26: "house", 27: "sea", 29: "rug", 30: "field", 35: "rock",
    41: "base", 47: "sand", 49: "skyscraper", 52: "grandstand", 53: "path", 55: "runway", 60: "stairway", 61: "river",
    62: "bridge", 64: "blind", 69: "hill", 78: "bar", 80: "hovel", 85: "tower", 92: "dirt track", 95: "land",
    97: "escalator", 100: "buffet", 101: "poster", 102: "stage", 106: "conveyer belt", 107: "canopy",
    110: "swimming pool", 114: "waterfall", 115: "tent", 118: "cradle", 123: "tank", 129: "lake", 132: "blanket",
    141: "pier", 142: "crt screen", 146: "shower",
}  # fmt: skip


def challenge_things(names: Mapping[int, str]) -> frozenset[int] | None:
    """Return the numbers of the things where the classes are the challenge's own; None where they are others.

    names: first name of each class by its number, from 1.
    """
    if names.keys() != set(range(1, CLASSES + 1)) or any(names[number] != name for number, name in STUFF.items()):
        return None
    return frozenset(names.keys() - STUFF.keys())
