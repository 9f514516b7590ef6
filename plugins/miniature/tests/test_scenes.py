"""Drawn scenes of many classes: the same everywhere, annotated truly, their splits apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from retclip_miniature import ScenesSettings, export
from retclip_miniature.glyphs import SHEETS, read_choice, sheet
from retclip_miniature.scenes import SPLITS, UNSEEN, Scenes, cast_of
from retclip_miniature.things import GlyphThings

from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.data.scene_composition import LEAST_VISIBLE, SMALLEST, Cast, compose
from retclip.data.scene_textures import TEXTURES
from retclip.errors import DataError


def source(path, **given):
    return Scenes(ScenesSettings(**{"path": path, "count": 3, "width": 128, "height": 96, **given}))


def drawn(folder, **given):
    list(source(folder, **given).images())
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}


def test_there_are_enough_classes_each_with_glyphs_of_both_artists():
    choice = read_choice()
    assert len(choice) >= 200 and len(TEXTURES) >= 12
    assert len({one.name for one in choice} | set(TEXTURES)) == len(choice) + len(TEXTURES)  # no name twice
    assert 60 <= sum(not one.seen for one in choice) <= 80 and set(UNSEEN) < set(TEXTURES)
    for name in SHEETS:
        glyphs = sheet(name)
        assert glyphs.shape == (choice[-1].first + len(choice[-1].glyphs), 64, 64, 4)
        assert (glyphs[..., 3] > 128).mean(axis=(1, 2)).min() > 0.05  # every picture shows something
    assert not np.array_equal(sheet("noto"), sheet("twemoji"))


def test_the_same_seed_draws_the_same_bytes_and_splits_seeds_and_styles_differ(tmp_path):
    first = drawn(tmp_path / "a")
    assert drawn(tmp_path / "b") == first
    others = [{"split": split} for split in SPLITS if split != "store"] + [{"seed": 1}, {"style": "drawing"}]
    for number, other in enumerate(others):
        found = drawn(tmp_path / str(number), **other)
        assert set(found).isdisjoint(first) and set(found.values()).isdisjoint(first.values()), other


@pytest.mark.parametrize("style", ["photo", "drawing"])
def test_the_annotation_is_whole(tmp_path, style):
    for record in source(tmp_path, style=style, count=12).images():
        image = record.load()
        ids, areas = np.unique(image.truth.label_map, return_counts=True)
        assert {int(i): int(a) for i, a in zip(ids, areas, strict=True) if i} == {
            one.id: one.area for one in image.truth.segments
        }
        assert min(one.area for one in image.truth.segments) >= SMALLEST
        assert set(record.class_names) == {one.class_name for one in image.truth.segments}
        assert all(one.is_thing is (one.class_name not in TEXTURES) for one in image.truth.segments)


def test_seen_and_unseen_casts_share_nobody_and_fine_tuning_scenes_show_seen_classes_only(tmp_path):
    seen, unseen, everybody = (cast_of(who, "photo") for who in ("seen", "unseen", "all"))
    assert {one.name for one in seen.things} | {one.name for one in unseen.things} == {
        one.name for one in everybody.things
    }
    assert not {one.name for one in seen.things} & {one.name for one in unseen.things}
    assert not set(seen.stuff) & set(unseen.stuff)
    allowed = {one.name for one in seen.things} | set(seen.stuff)
    scenes = source(tmp_path, split="train", classes="seen", count=8)
    assert {one.name for one in scenes.classes()} == allowed
    assert {name for one in scenes.images() for name in one.class_names} <= allowed


def test_a_scene_may_be_of_chosen_things_only(tmp_path):
    scenes = source(tmp_path, things=("fox", "car"), count=6)
    assert {one.name for one in scenes.classes()} == {"fox", "car", *TEXTURES}
    assert {name for one in scenes.images() for name in one.class_names} - set(TEXTURES) == {"fox", "car"}
    assert set(drawn(tmp_path / "b")).isdisjoint(drawn(tmp_path / "c", things="fox"))  # one folder may hold both
    with pytest.raises(DataError, match="fax"):
        source(tmp_path, things=["fax"])
    with pytest.raises(DataError, match="fox"):
        source(tmp_path, things=["fox"], classes="seen")


def test_image_level_labels_have_names_but_no_masks(tmp_path):
    whole, named = (next(source(tmp_path, labels=labels).images()) for labels in ("masks", "names"))
    assert named.class_names == whole.class_names and named.load().truth is None
    assert (named.load().pixels == whole.load().pixels).all()


def test_no_thing_is_hidden_by_more_than_the_rule_allows(tmp_path):
    """With one class on one stuff, every thing that is placed keeps its share of visible pixels."""
    ball = next(one for one in read_choice() if one.name == "basketball")
    cast = Cast([GlyphThings(ball, "photo")], {"grass": TEXTURES["grass"]}, sizes=(30, 31), room=1500)
    for index in range(5):
        _, truth = compose(np.random.default_rng(index), cast, 128, 128)
        areas = [one.area for one in truth.segments if one.is_thing]
        assert len(areas) >= 2 and min(areas) >= LEAST_VISIBLE * max(areas) * 0.75  # glyphs are turned and stretched


def test_a_thing_lies_where_its_colour_is():
    """A lemon on water is yellow, where the map says lemon, and nowhere else."""
    lemon = next(one for one in read_choice() if one.name == "lemon")
    for index in range(4):
        pixels, truth = compose(
            np.random.default_rng([7, index]),
            Cast([GlyphThings(lemon, "photo")], {"water": TEXTURES["water"]}),
            96,
            128,
        )
        ids = [one.id for one in truth.segments if one.class_name == "lemon"]
        yellow = pixels[..., :2].mean(-1).astype(float) - pixels[..., 2]
        inside = np.isin(truth.label_map, ids)
        assert yellow[inside].mean() > 40 > yellow[truth.label_map == 1].mean()


def test_an_export_reads_back_as_the_same_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["export", str(tmp_path / "out"), "--split", "val", "--count", "3", "--width", "96"]
    )
    export.main()
    read = list(CocoPanoptic(CocoPanopticSettings(path=str(tmp_path / "out"), split="val")).images())
    ours = list(source(tmp_path / "own", split="val", width=96, height=256).images())
    for theirs, mine in zip(read, ours, strict=True):
        found, wanted = theirs.load(), mine.load()
        assert found.sha256 == wanted.sha256
        assert (found.truth.label_map == wanted.truth.label_map).all()
        assert [one.class_name for one in found.truth.segments] == [one.class_name for one in wanted.truth.segments]
    export.main()  # its own folder, again
    said = json.loads((tmp_path / "out" / "captions_val.json").read_text())
    assert [one["image_id"] for one in said["annotations"]] == [1, 1, 2, 2, 3, 3]


def test_a_folder_that_cannot_be_written_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="choose another place for `path`"):
        next(source(tmp_path / "file" / "below").images())


def test_an_export_goes_into_no_other_data_set(tmp_path, monkeypatch, capsys):
    (tmp_path / "captions_val.json").write_text("mine")
    monkeypatch.setattr("sys.argv", ["export", str(tmp_path), "--split", "val", "--count", "1"])
    with pytest.raises(SystemExit) as stop:
        export.main()
    assert stop.value.code == 2 and "choose a new folder with OUT_FOLDER" in capsys.readouterr().err
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]
