"""Whole walks on drawn scenes through the Python API: build, segment, add a class, explain, evaluate, refuse."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

import retclip
from retclip import config
from retclip.errors import DataError, SpaceMismatch, StoreMissing
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Category, Segment
from retclip.workflows.segment.vocabulary import missing

# Written out, so that better defaults do not change what these tests prove.
VOTE = {
    "retrieval": {"k": 32},
    "segment": {"smallest_void": 0.0},
    "plugin": {"retrieval": {"vote": {"vote": "minmax"}}},
}
TRUTH = config.merged(VOTE, {"components": {"proposer": "reference.ground_truth"}})
SUPERPIXELS = config.merged(
    VOTE,
    {
        "components": {"proposer": "reference.superpixels"},
        "plugin": {"reference": {"superpixels": {"count": 40}}},
        "store": {"index": "resident"},
    },
)


@pytest.fixture
def source(tmp_path):
    """Small drawn scenes; four landscapes take turns, so that six show every class."""
    return f"reference.scenes:{tmp_path / 'scenes'}?split=train&count=6&width=96&height=64"


def vectors(memory):
    """(class, revision, vector) of every stored segment, read from the index."""
    with transaction(memory.store.engine) as connection:
        query = select(Segment.point_id, Category.name, Segment.rev).join(Category, Category.id == Segment.category_id)
        rows = connection.execute(query).all()
    found = memory.store.projection().index.vectors([row[0] for row in rows])
    return {row[0]: (row[1], row[2], found[row[0]].tobytes()) for row in rows}


def first_scene(memory, source):
    return next(memory.source(source).images()).load()


def test_building_again_does_nothing_and_a_reopened_store_answers_alike(source, tmp_path):
    with retclip.open(tmp_path / "store", create=True, settings=TRUTH) as memory:
        report = memory.build(source)
        assert (report.images, report.failures) == (6, ())
        truth = [one.load().truth for one in memory.source(source).images()]
        assert report.segments == sum(len(one.segments) for one in truth)
        before = vectors(memory)
        assert len(before) == report.segments
        again = memory.build(source)
        assert (again.images, again.segments, again.skipped) == (0, 0, 6)
        assert vectors(memory) == before
        answer = memory.segment(first_scene(memory, source))
    with retclip.open(tmp_path / "store", settings=TRUTH) as memory:
        assert vectors(memory) == before
        assert (memory.segment(first_scene(memory, source)).label_map == answer.label_map).all()


def test_a_stored_scene_is_segmented_as_it_was_annotated(memory, scene, result):
    names = {one.id: one.class_name for one in scene.truth.segments}
    found = {one.id: one.class_name for one in result.segments}
    wanted = np.vectorize(names.get)(scene.truth.label_map, "void")
    assert (np.vectorize(found.get)(result.label_map, "void") == wanted).mean() > 0.99
    things = [one for one in scene.truth.segments if one.is_thing]
    assert len([one for one in result.segments if one.is_thing]) == len(things)


def test_superpixels_alone_name_most_of_an_unseen_scene(built):
    unseen = built.source.replace("split=train", "split=val")
    with retclip.open(built.store, settings=SUPERPIXELS) as memory:
        found = memory.evaluate(unseen.replace("count=6", "count=4"))
        image = first_scene(memory, unseen)
        result = memory.segment(image)
    assert result.label_map.shape == image.size
    assert {one.id for one in result.segments} == set(np.unique(result.label_map)) - {0}
    assert found.pixel_accuracy > 60  # 16 classes; by chance it would be about 6


def test_evaluating_the_stored_scenes_themselves_is_nearly_perfect(memory, built):
    found = memory.evaluate(built.source)
    assert found.images == 6
    assert found.miou > 97
    assert found.pq > 97
    assert found.segment_accuracy > 97
    assert (found.missing, found.failures) == ((), ())


def test_unseen_scenes_are_harder_than_stored_ones_but_far_from_chance(memory, built):
    found = memory.evaluate(built.source.replace("split=train", "split=val"))
    assert 30 < found.miou <= 100
    assert found.pixel_accuracy > 70


def test_an_excluded_class_is_missing_until_it_is_added_and_nothing_else_changes(source, tmp_path):
    with retclip.open(tmp_path / "store", create=True, settings=TRUTH) as memory:
        everything = [one.name for one in memory.source(source).classes()]
        memory.build(source, [name for name in everything if name != "sky"])
        assert [match.name for match in missing(memory.prepare(everything))] == ["sky"]
        assert memory.evaluate(source).missing == ("sky",)
        image = first_scene(memory, source)
        before, without = vectors(memory), memory.segment(image, everything)
        assert "sky" not in {one.class_name for one in without.segments}

        (report,) = memory.classes.add("sky", source).runs
        assert report.per_class == {"sky": 6}
        after, with_sky = vectors(memory), memory.segment(image, everything)
        assert missing(memory.prepare(everything)) == ()
    assert "sky" in {one.class_name for one in with_sky.segments}
    assert {name for name, _, _ in after.values()} - {name for name, _, _ in before.values()} == {"sky"}
    assert {point: one for point, one in after.items() if one[0] != "sky"} == before


def test_a_class_added_later_answers_as_if_it_had_been_there_from_the_start(source, tmp_path, built, memory):
    with retclip.open(tmp_path / "store", create=True, settings=TRUTH) as later:
        later.build(built.source, [one.name for one in later.source(source).classes() if one.name != "water"])
        later.classes.add("water", built.source)
        image = first_scene(later, built.source.replace("count=6", "count=2"))
        result, wanted = later.segment(image), memory.segment(image)
        assert sorted(vectors(later)) == sorted(vectors(memory))
    assert (result.label_map == wanted.label_map).all()
    assert [one.class_name for one in result.segments] == [one.class_name for one in wanted.segments]


def test_an_answer_is_explained_by_the_photos_it_came_from(memory, built, scene, result):
    drawn = {str(path) for path in built.photos.glob("train_*.png")}
    assert len(drawn) == 6
    for one in result.segments:
        why = result.explain(one)
        assert why.segment == one
        assert {near.stored.image_uri for near in why.neighbours} <= drawn
        assert why.neighbours[0].stored.image_uri == scene.uri
        assert [near.distance for near in why.neighbours] == sorted(near.distance for near in why.neighbours)


def test_a_saved_answer_is_explained_without_image_or_model(memory, result, tmp_path):
    from retclip.workflows.explain.evidence_file import load_evidence
    from retclip.workflows.explain.explain import explain

    result.save(tmp_path)
    panoptic, evidence = load_evidence(next(tmp_path.glob("*.evidence.npz")))
    whole = result.explain(1)
    assert explain(memory.store, panoptic, evidence, 1) == replace(whole, margin=None)  # it needs the vote


@pytest.mark.parametrize("index", ["edge", "resident"])
def test_every_index_gives_the_same_answer(built, result, scene, index):
    with retclip.open(built.store, settings={**TRUTH, "store": {"index": index}}) as memory:
        found = memory.segment(scene)
    assert (found.label_map == result.label_map).all()
    assert [one.class_name for one in found.segments] == [one.class_name for one in result.segments]


def test_another_setting_of_the_backbone_is_refused_for_building_and_segmenting(built, scene):
    other = {"plugin": {"reference": {"colour_texture": {"grid": 20}}}, "store": {"index": "resident"}}
    with retclip.open(built.store, settings=other) as memory:
        with pytest.raises(
            SpaceMismatch,
            match=r"got reference\.colour_texture .*where the store has.*say the settings",
        ):
            memory.build(built.source)
        with pytest.raises(SpaceMismatch):
            memory.segment(scene)


def test_an_image_may_be_a_path_an_array_or_an_image_and_nothing_else(memory, scene):
    with retclip.open(memory.store.folder, settings=SUPERPIXELS) as plain:
        maps = [plain.segment(one, "sky, grass, mountain").label_map for one in (scene.uri, scene.pixels, scene)]
    assert all((one == maps[0]).all() for one in maps)
    with pytest.raises(DataError, match="a path, bytes, a Pillow image"):
        memory.segment(3)


def test_a_store_that_is_not_there_is_made_only_when_asked(tmp_path):
    with pytest.raises(StoreMissing):
        retclip.open(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    with retclip.open(tmp_path / "new", create=True) as memory:
        assert memory.classes.list() == ()
