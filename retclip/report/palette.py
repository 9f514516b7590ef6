"""A colour for each class of a vocabulary: far from the others', and the usual one where the field has a habit.

The colours come from a fixed list of 256. Any two of its first 44 are at least CIEDE2000 17.2 apart, any two of the
first 133 at least 10.2, of all 7.6 (found by repeated replacement, then by taking the farthest; the first 26 near the
colours of Cityscapes and ADE20K). So up to 44 classes can be told apart, whatever they are called; beyond 256 colours
come twice. Classes with a habit (sky, grass, road, ...) choose first, each other one takes the free colour that its
name prefers: a class that is added later changes few of the others.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from retclip.names import name_key

RGB = tuple[int, int, int]

_HEX = (
    "8c00fff21af2ff4c00f2f20000008eff0080ffb20000ff99668c00a68cffa68000800d0d00a666ff808000fff2ff99d9ffa673595900"
    "00d9ff6600335933000080b2009999996640ffe6b2004026d9ccffccf2cc737399a67380a6a680004c5933334c664c4cd9f2ffccb2b2"
    "4040336e736e73b2ff2659d98ccc40007333804080d91a3390bbb2b21a55bbb222d47708006e66aa6eb2998877aab2c46e88664c80ff"
    "003c80bb3c00cc1199b299bb1accaa6e99aacca266807744bb806e553ca2555e6e4c5e3cffddee2a3c008066d444ff00ddee9088bb88"
    "6e5e4cffddcc99554c5e086effb2bb4c7780805e081aaa0055334c005e88ccc4b20000ee552a22e680ffb2f6f6e67799775e77cc5e66"
    "2acc66f6d45ebbd4ff00886699c4d48090b22ab2e63cccccff444480333c884411e655b2554c77335e00334c44aa44c4a255809000aa"
    "88ffd4ccc480bbf62290809044332288a255886e66c45e44d4b299008800ee805effc480a2aae65e4c22a2e690aa804c66a288ff992a"
    "90005ec4ddd499903c3c2a667790885e7790ffc4ff5e7733b25effeeaa99d49000aa66000090eeaa002a2a3c4cddb2ccd4aaffc49099"
    "4c5e90ee080044b2c4ccd4b288886e80445e9988c47755a2e6e6ff225e44ff0055006ec40090aaff771a774433cc5e1acc88c44c8077"
    "445e66b208085e22005e5e4ccc906690aa08c4d43c777700d4aa2a44884c3c3cff88ddcc5e00aa084c11c45e80aac477556e5e6edda2"
    "b2a288885e66c4bbd48099ff00d400003cc499aa99554c5ecc3355b299900866775566ff90d4ff33442a4c4c2affc4a26ea2a200b2a2"
    "222a88443300a24c5ed4bb9099885e008088c400ff886699d422778080dd6e082266b255a211885eeef644775599442a6e4ccceee6cc"
    "ff6edd661a5566663c003c3c807766aa80a2aa5511775533552a33a26e66aaccb2b2ff77884cfff65e77bb77dd886e4c6e775ee699b2"
    "cc774caaaa5e88aac488d4dd5e6ec4a299aaeeeebb90003c776e8080884c5e336e1155a24cbb8855993c444c66882a002a5e5ec44cb2"
    "4499c488a277885e4cd48080"
)
COLOURS: tuple[RGB, ...] = tuple(
    (int(_HEX[n : n + 2], 16), int(_HEX[n + 2 : n + 4], 16), int(_HEX[n + 4 : n + 6], 16))
    for n in range(0, len(_HEX), 6)
)
_PREFIXES = (24, 38, 44, 64, 133, len(COLOURS))  # vivid ones; those that no nature has; those far apart; and so on

# Places in COLOURS, the first that is free counts, and the names that want them.
_HABITS: tuple[tuple[tuple[int, ...], str], ...] = (
    ((38, 34), "sky"),
    ((39, 21, 18, 22, 14), "water, sea, ocean, river, lake, pond, pool, canal, waterfall"),
    ((40, 8, 17), "grass, lawn, meadow, field, terrain, turf"),
    ((41, 25, 12, 8), "tree, vegetation, forest, bush, shrub, hedge, foliage"),
    ((8, 12, 25), "plant, flower"),
    ((42, 28), "road, street, highway, motorway, asphalt, runway"),
    ((1,), "sidewalk, pavement, footpath, footway"),
    ((43, 13, 5), "person, people, human, pedestrian, man, woman, boy, girl, child"),
    ((2, 16), "rider, cyclist, bicyclist, motorcyclist"),
    ((4, 9), "car, automobile, vehicle, van"),
    ((32, 28), "truck, lorry"),
    ((31, 21), "bus"),
    ((22,), "train, tram"),
    ((0,), "motorcycle, motorbike, scooter"),
    ((11, 19), "bicycle, bike"),
    ((29, 33), "building, house, skyscraper"),
    ((28, 35), "wall"),
    ((35,), "fence, railing, guard rail"),
    ((37, 36), "pole, column, pillar"),
    ((6,), "traffic light"),
    ((3,), "traffic sign, street sign, sign, signboard, signsymbol"),
    ((23, 20), "mountain, hill, cliff, rock"),
    ((20, 17), "earth, dirt, ground, soil, mud"),
    ((24,), "sand, beach, desert"),
    ((34, 26), "snow, cloud"),
    ((30, 10), "floor"),
)
_WANTED = {word: (rank, places) for places, words in _HABITS for rank, word in enumerate(words.split(", "))}
_QUALIFIED = re.compile(r"([\s_-]+(merged|other|stuff))+$|(?<=^wall)-.*|(?<=^floor)-.*")  # of COCO's names: wall-brick
_LIGHTER = (0.0, -7.0, 7.0, -3.5, 3.5)  # L* of the instances of a class, one after the other


def class_colours(names: Iterable[str]) -> dict[str, RGB]:
    """Return RGB in 0..255 of each name: the same for the same names, in any order or spelling."""
    listed = list(names)
    assigned = _assigned(tuple(sorted({name_key(name) for name in listed})))
    return {name: assigned[name_key(name)] for name in listed}


def css_colour(colour: RGB) -> str:
    """Return a colour as a page's style sheet spells it."""
    return "rgb({},{},{})".format(*colour)


def shade(colour: RGB, number: int) -> RGB:
    """The class's colour as instance `number` (0, 1, ...) wears it: itself, then darker and lighter by turns. Every
    shade is nearer to its own class's colour than to that of any of 44 other classes."""
    linear = [(value / 255) ** 2.2 for value in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    lightness = 116 * max(luminance, 0.0089) ** (1 / 3) - 16
    step = _LIGHTER[number % len(_LIGHTER)]
    factor = ((lightness + step + 16) / (lightness + 16)) ** 3
    red, green, blue = (round(255 * min(1.0, value * factor) ** (1 / 2.2)) for value in linear)
    return red, green, blue


@lru_cache(maxsize=32)
def _assigned(keys: tuple[str, ...]) -> dict[str, RGB]:
    most = -(-len(keys) // len(COLOURS))  # how often a colour may come
    uses: Counter[int] = Counter()
    colours: dict[str, int] = {}
    for key, (_, places) in sorted(_habits(keys).items(), key=lambda pair: (pair[1][0], pair[0])):
        free = next((place for place in places if uses[place] < most), None)
        if free is not None:
            colours[key] = free
            uses[free] += 1
    remaining = [key for key in keys if key not in colours]
    count = next(n for n in _PREFIXES if n * most - sum(uses[place] for place in range(n)) >= len(remaining))
    for key in remaining:
        preferred = sorted(range(count), key=lambda place: zlib.crc32(f"{place} {key}".encode(errors="surrogatepass")))
        colours[key] = next(place for place in preferred if uses[place] < most)
        uses[colours[key]] += 1
    return {key: COLOURS[place] for key, place in colours.items()}


def _habits(keys: Iterable[str]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """What a habit gives to a class: who chooses first (the word itself before a synonym, both before a name that ends
    in it, as palm tree) and the places."""
    result = {}
    for key in keys:
        phrase = re.sub(r"[\s_-]+", " ", _QUALIFIED.sub("", key))
        last = phrase.rpartition(" ")[2]
        for later, word in enumerate((phrase, phrase.removesuffix("s"), last, last.removesuffix("s"))):
            if word in _WANTED:
                rank, places = _WANTED[word]
                result[key] = (rank + len(_WANTED) * later, places)
                break
    return result
