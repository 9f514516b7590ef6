"""Colours of a vocabulary: far apart by CIEDE2000, where habit wants them, the same for the same names."""

import itertools
import random

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from retclip.report.palette import COLOURS, class_colours, shade

WORDS = [f"class {n}" for n in range(1000)]
HABITUAL = [
    "sky", "water", "sea", "grass", "tree", "plant", "road", "sidewalk", "person", "rider", "car", "truck", "bus",
    "train", "motorcycle", "bicycle", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "mountain",
    "earth", "sand", "snow", "floor",
]  # fmt: skip
NEAR = {  # what Cityscapes and ADE20K paint, and whoever draws a map
    "sky": (110, 175, 240), "water": (20, 90, 205), "grass": (135, 215, 70), "tree": (20, 110, 45),
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "person": (220, 20, 60), "car": (0, 0, 142),
    "sand": (235, 210, 140), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
}  # fmt: skip


def difference(one, other):
    """CIEDE2000 of two colours in 0..255."""
    first, second = (rgb2lab(np.array([[colour]]) / 255.0) for colour in (one, other))
    return float(deltaE_ciede2000(first, second)[0, 0])


def smallest(colours):
    lab = rgb2lab(np.array([list(colours)]) / 255.0)[0]
    return min(float(deltaE_ciede2000(lab[n + 1 :], lab[n][None]).min()) for n in range(len(lab) - 1))


def test_the_measure_is_the_one_of_the_published_data():
    # pairs 1, 7, 16 and 25 of Sharma, Wu, Dalal (2005), table 1
    for first, second, wanted in (
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ):
        assert float(deltaE_ciede2000(np.array([first]), np.array([second]))[0]) == pytest.approx(wanted, abs=1e-4)


def test_the_list_keeps_what_its_page_says():
    assert len(set(COLOURS)) == 256
    assert [smallest(COLOURS[:n]) > least for n, least in ((44, 17.2), (133, 10.2), (256, 7.6))] == [True] * 3


@pytest.mark.parametrize("seed", range(20))
def test_any_two_of_up_to_40_classes_are_at_least_15_apart(seed):
    chance = random.Random(seed)
    count = chance.choice([2, 5, 11, 24, 25, 38, 39, 40])
    names = chance.sample(WORDS + HABITUAL * 8, count)
    colours = class_colours(names)
    assert len(set(colours.values())) == len(set(names))
    assert smallest(set(colours.values())) >= 15


def test_forty_waters_are_at_least_15_apart_too():
    names = [f"{word} water" for word in "abcdefghijklmnopqrstuvwxyz"] + ["sea", "river", "lake", "pond", "pool"]
    assert smallest(class_colours(names).values()) >= 15
    assert smallest(class_colours(HABITUAL).values()) >= 15


@pytest.mark.parametrize("name", NEAR)
def test_the_field_s_habits_are_kept_in_any_company(name):
    for company in ([], WORDS[:39], HABITUAL, WORDS):
        assert difference(class_colours([name, *company])[name], NEAR[name]) < 8


@pytest.mark.parametrize(("name", "like"), [
    ("sky-other-merged", "sky"), ("Tree-merged", "tree"), ("grass_merged", "grass"), ("palm tree", "tree"),
    ("trees", "tree"), ("PAVEMENT", "sidewalk"), ("wall-brick", "wall"), ("stop sign", "traffic sign"),
    ("Pedestrian", "person"), ("ｓｋｙ", "sky"),
])  # fmt: skip
def test_a_habit_knows_the_names_of_data_sets(name, like):
    assert class_colours([name])[name] == class_colours([like])[like]


@pytest.mark.parametrize(
    "name", ["sea lion", "water bottle", "carpet", "skyline chart", "personal computer", "snowboard"]
)
def test_a_name_that_only_begins_like_one_has_no_habit(name):
    habitual = set(class_colours(HABITUAL).values())
    assert class_colours([name, *HABITUAL])[name] not in habitual


def test_the_word_itself_chooses_before_its_synonyms():
    colours = class_colours(["palm tree", "trees", "tree-merged", "tree"])
    assert colours["tree"] == class_colours(["tree"])["tree"]
    assert len(set(colours.values())) == 4


def test_the_same_names_have_the_same_colours_in_any_order_and_spelling():
    names = [*WORDS[:30], "sky", "car"]
    first = class_colours(names)
    assert class_colours(reversed(names)) == first == class_colours(names + names)
    assert class_colours(["  SKY ", *names])["  SKY "] == first["sky"]
    assert class_colours(["sky"]) == {"sky": (115, 178, 255)}  # pictures of different versions are compared


def test_a_class_that_is_added_changes_few_of_the_others():
    before, after = class_colours(WORDS[:12]), class_colours(WORDS[:13])
    assert sum(before[name] != after[name] for name in before) <= 2


def test_more_classes_than_colours_share_them_evenly():
    colours = class_colours(WORDS)
    assert len(colours) == 1000
    assert max(list(colours.values()).count(one) for one in set(colours.values())) <= 4
    assert class_colours([]) == {}
    assert class_colours([""])[""] in COLOURS


def test_shades_of_a_class_differ_and_stay_its_own():
    for own in COLOURS[:44]:
        shades = [shade(own, number) for number in range(5)]
        assert shades[0] == own and len(set(shades)) == 5
        assert shade(own, 5) == own
        for one in shades:
            assert min(COLOURS[:44], key=lambda other: difference(one, other)) == own
            assert all(0 <= value <= 255 for value in one)
    assert all(difference(*pair) > 1 for pair in itertools.combinations([shade(COLOURS[8], n) for n in range(5)], 2))
