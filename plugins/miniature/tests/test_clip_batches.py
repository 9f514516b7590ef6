"""What the small CLIP is shown: the same scenes for the same seed, and batches that make it look at the things."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from retclip_miniature.clip_batches import (
    Batches,
    Stage,
    alike_scenes,
    augmented,
    distinct_batch,
    draw,
    draw_round,
    hard_batch,
    things_of,
    words_of,
)  # fmt: skip

from retclip.types import PanopticSegmentation, SegmentInfo

SINGLE = Stage(True, 64, (28.0, 60.0), 1e9, 1, 6, 2, 4)
SEVERAL = Stage(False, 128, (40.0, 110.0), 9000.0, 2, 6, 1, 4)


def scene(style, thing, *stuff):
    segments = [SegmentInfo(n, name, False, 2000) for n, name in enumerate(stuff, 1)]
    things = [SegmentInfo(9, thing, True, 300)] if thing else []
    return None, PanopticSegmentation(np.zeros((64, 64), np.int32), (*segments, *things)), style


def test_a_scene_is_the_same_for_the_same_seed_and_small_ones_show_one_thing():
    first, again, other = (draw(5, SINGLE, seed) for seed in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    for index in range(10):
        pixels, truth, style = draw(index, SINGLE, 0)
        assert pixels.shape == (64, 64, 3) and sum(one.is_thing for one in truth.segments) <= 1
        assert style in ("photo", "drawing") and truth.label_map.size == 64 * 64


def test_augmentation_keeps_size_and_range_and_changes_each_picture():
    pixels = torch.from_numpy(np.stack([draw(index, SINGLE, 0)[0] for index in range(4)]))
    first, second = (augmented(pixels, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == (4, 3, 64, 64) and torch.isfinite(first).all()
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    grey = augmented(torch.full((1, 8, 8, 3), 128, dtype=torch.uint8), np.random.default_rng(0))
    assert grey.std(dim=(2, 3)).max() < 1e-3  # a plain picture stays plain


def test_the_caption_of_a_single_thing_names_it_alone_and_others_say_what_they_show():
    rng = np.random.default_rng(0)
    assert words_of(scene("drawing", "fox", "grass"), SINGLE, rng) == "a drawing of a fox."
    said = {words_of(scene("photo", "fox", "grass"), SEVERAL, rng) for _ in range(40)}
    assert len(said) > 5 and all("fox" in one for one in said) and any("grass" in one for one in said)


def test_a_batch_of_single_things_has_each_once_in_one_style():
    kinds = [("photo", "fox"), ("photo", "owl"), ("photo", "fox"), ("photo", ""), ("drawing", "fox"), ("photo", "bus")]
    scenes = [scene(*kind, "grass") for kind in kinds]
    assert things_of(scenes) == {"photo": [[0, 2], [1], [5]], "drawing": [[4]]}
    rng = np.random.default_rng(0)
    drawn = [sorted(distinct_batch([[0, 2], [1], [5]], 9, rng)) for _ in range(30)]
    assert {tuple(one) for one in drawn} == {(0, 1, 5), (1, 2, 5)}  # every class, and its scenes in turn
    assert {len(distinct_batch([[0, 2], [1], [5]], 2, rng)) for _ in range(9)} == {2}
    chosen = [sorted(Batches(SINGLE, scenes).choose(np.random.default_rng(seed))) for seed in range(40)]
    assert {tuple(one) for one in chosen} == {(0, 1, 5), (1, 2, 5), (4,)}


def test_landscapes_have_no_thing_and_only_their_stuff_tells_them_apart():
    stage = replace(SEVERAL, landscapes=0.5)
    scenes = [draw(index, stage, 0) for index in range(30)]
    bare = {n for n, (_, truth, _) in enumerate(scenes) if not any(one.is_thing for one in truth.segments)}
    assert 8 < len(bare) < 22
    groups = alike_scenes([scenes[n] for n in sorted(bare)])
    assert set(groups) == {("photo", frozenset()), ("drawing", frozenset())}  # however different their stuff


def test_no_two_stages_draw_the_same_scenes(monkeypatch):
    monkeypatch.setattr("retclip_miniature.clip_batches.draw", lambda index, stage, seed: index)
    monkeypatch.setattr("retclip_miniature.clip_batches.ProcessPoolExecutor", ThreadPoolExecutor)
    assert [draw_round(SINGLE, 0, number) for number in (0, 2)] == [list(range(6)), list(range(12, 18))]


def test_a_batch_shows_scenes_that_only_their_things_tell_apart():
    kinds = [("photo", "grass", "sky"), ("photo", "sky", "grass"), ("drawing", "grass", "sky"), ("photo", "sand")]
    scenes = [scene(style, "fox", *stuff) for style, *stuff in kinds * 10]
    alike = alike_scenes(scenes)
    assert sorted(len(one) for one in alike.values()) == [10, 10, 20]  # the order of the stuff does not matter
    group_of = {number: key for key, numbers in alike.items() for number in numbers}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        few, many = (hard_batch(list(alike.values()), size, rng) for size in (8, 30))
        assert len({group_of[number] for number in few}) == 1 and len(set(few)) == 8
        assert len(set(many)) == 30 and len({group_of[number] for number in many}) <= 3
    assert sorted(hard_batch(list(alike.values()), 99, np.random.default_rng(0))) == list(range(40))  # all there are
