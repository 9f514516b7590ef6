"""Drawn scenes: stuff lies where the cast says, things hide one another no further than the rule allows."""

from dataclasses import dataclass

import numpy as np
import pytest

from retclip.data.scene_composition import LEAST_VISIBLE, SMALLEST, Cast, Thing, compose
from retclip.data.scene_textures import TEXTURES


@dataclass(frozen=True)
class Square:
    """A plain red square."""

    name: str = "square"

    def draw(self, rng, size):
        side = round(size)
        return Thing(np.broadcast_to(np.float32([1, 0, 0]), (side, side, 3)), np.ones((side, side), np.float32))


def scene(seed, cast, height=96, width=128):
    return compose(np.random.default_rng(seed), cast, height, width)


@pytest.mark.parametrize("style", ["photo", "drawing"])
def test_the_same_seed_draws_the_same_and_the_map_is_that_of_the_segments(style):
    cast = Cast([Square()], TEXTURES, style, sizes=(12.0, 30.0), room=1500.0)
    for seed in range(8):
        (pixels, truth), (again, _) = scene(seed, cast), scene(seed, cast)
        assert pixels.dtype == np.uint8 and pixels.shape == (96, 128, 3) and np.array_equal(pixels, again)
        ids, areas = np.unique(truth.label_map, return_counts=True)
        told = {one.id: one.area for one in truth.segments}
        assert told == {int(i): int(a) for i, a in zip(ids, areas, strict=True) if i} and min(told.values()) >= SMALLEST
        assert all(one.is_thing is (one.class_name == "square") for one in truth.segments)


def test_a_landscape_has_all_of_its_stuff_from_top_to_bottom_and_other_scenes_some_of_it():
    stuff = {name: TEXTURES[name] for name in ("sky", "snow", "water", "grass")}
    for seed in range(8):
        _, truth = scene(seed, Cast([], stuff, landscape=True))
        rows = [np.nonzero(truth.label_map == one.id)[0].mean() for one in truth.segments]
        assert [one.class_name for one in truth.segments] == list(stuff) and rows == sorted(rows)
    counts = {len(scene(seed, Cast([], stuff))[1].segments) for seed in range(40)}
    assert counts == {1, 2, 3}


def test_a_thing_lies_where_it_was_painted_and_hides_no_more_of_another_than_the_rule_allows():
    cast = Cast([Square()], {"water": TEXTURES["water"]}, sizes=(30.0, 31.0), room=800.0)
    crowded = 0
    for seed in range(8):
        pixels, truth = scene(seed, cast)
        squares = [one for one in truth.segments if one.is_thing]
        red = np.isin(truth.label_map, [one.id for one in squares])
        redder = pixels[..., 0].astype(int) - pixels[..., 2]
        assert redder[red].min() > redder[~red].max()
        hidden = [one for one in squares if one.area < 30 * 30]  # by another, or by the edge, which hides an eighth
        assert all(one.area >= LEAST_VISIBLE * 30 * 30 * (7 / 8) ** 2 for one in hidden)
        crowded += len(hidden)
    assert crowded > 5
