"""Drawn scenes: the same everywhere, and annotated truly."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from retclip_reference import ScenesSettings
from retclip_reference.scenes import STUFF, Scenes
from retclip_reference.things import THINGS

from retclip.data.scene_composition import SMALLEST
from retclip.errors import DataError

CLASSES = {**dict.fromkeys(STUFF, False), **dict.fromkeys((one.name for one in THINGS), True)}


def source(path, **given):
    return Scenes(ScenesSettings(**{"path": path, "count": 4, "width": 96, "height": 64, **given}))


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}


def draw(folder, **given):
    """The bytes of every PNG that one listing writes."""
    assert len(list(source(folder, **given).images())) == given.get("count", 4)
    return files(folder)


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """Forty scenes, decoded: enough for every landscape ten times."""
    return [one.load() for one in source(tmp_path_factory.mktemp("forty"), count=40).images()]


def test_the_same_seed_draws_the_same_bytes_and_another_one_does_not(tmp_path):
    first, second = draw(tmp_path / "a"), draw(tmp_path / "b")
    assert first == second
    other = draw(tmp_path / "c", seed=1)
    assert set(first.values()).isdisjoint(other.values())


def test_train_and_val_share_no_scene(tmp_path):
    train, val = draw(tmp_path / "a"), draw(tmp_path / "b", split="val")
    assert set(train).isdisjoint(val)  # one folder can hold both
    assert set(train.values()).isdisjoint(val.values())


def test_more_scenes_leave_the_first_ones_as_they_are(tmp_path):
    few, many = draw(tmp_path / "a", count=2), draw(tmp_path / "b", count=5)
    assert {name: many[name] for name in few} == few


def test_a_record_says_what_its_file_and_its_annotation_hold(tmp_path):
    for record in source(tmp_path).images():
        content = Path(record.uri).read_bytes()
        image = record.load()
        assert record.file_digest() == image.sha256 == hashlib.sha256(content).hexdigest()
        assert (np.asarray(PILImage.open(record.uri)) == image.pixels).all()
        assert image.pixels.shape == (64, 96, 3)
        assert image.truth is not None
        assert set(record.class_names) == {one.class_name for one in image.truth.segments}
        assert record.external_id == Path(record.uri).stem


def test_annotation_digests_differ_between_scenes_and_stay_between_listings(tmp_path):
    one = source(tmp_path)
    first, second = ([record.annotation_digest for record in one.images()] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(one) == 4


def test_a_damaged_file_is_written_again(tmp_path):
    before = draw(tmp_path)
    name = min(before)
    (tmp_path / name).write_bytes(b"damaged")
    assert draw(tmp_path) == before


def test_the_ids_of_the_map_are_those_of_the_segments(forty):
    for image in forty:
        ids, counts = np.unique(image.truth.label_map, return_counts=True)
        found = {int(i): int(n) for i, n in zip(ids, counts, strict=True) if i}
        assert found == {one.id: one.area for one in image.truth.segments}
        assert min(found.values()) >= SMALLEST
        assert all(one.is_thing is CLASSES[one.class_name] for one in image.truth.segments)


def test_every_class_occurs_in_forty_scenes(forty):
    assert {one.class_name for image in forty for one in image.truth.segments} == set(CLASSES)


def test_classes_are_listed_stuff_first(tmp_path):
    listed = source(tmp_path).classes()
    assert [one.name for one in listed] == list(CLASSES)
    assert [one.is_thing for one in listed] == [False] * 8 + [True] * 8
    assert [one.native_id for one in listed] == list(range(16))


def colours(image, name):
    """(pixels, 3) of everything of a class, in [0, 1]."""
    ids = [one.id for one in image.truth.segments if one.class_name == name]
    return image.pixels[np.isin(image.truth.label_map, ids)] / 255


def test_the_annotation_lies_on_what_it_names(forty):
    """Each class is where its colour is: no light of a scene turns grass blue."""
    for image in forty:
        there = {one.class_name for one in image.truth.segments}
        means = {name: colours(image, name).mean(axis=0) for name in there}
        if "grass" in there:
            assert means["grass"].argmax() == 1
        if "water" in there:
            assert means["water"].argmin() == 0
        if "brick wall" in there:
            assert means["brick wall"].argmax() == 0
            assert means["brick wall"][0] > means["road"][0]
        if "sun" in there:
            assert means["sun"][0] > means["sun"][2] + 0.2
            assert means["sun"].argmin() == 2
        if "snow" in there:
            assert means["snow"].sum() > means["water"].sum()


def test_bands_lie_from_the_sky_down(forty):
    """The map is neither mirrored nor turned."""
    for image in forty:
        rows = {}
        for one in image.truth.segments:
            rows.setdefault(one.class_name, []).append(np.nonzero(image.truth.label_map == one.id)[0].mean())
        assert image.truth.segments[0].class_name == "sky"
        assert all(rows["sky"][0] < row for name in ("grass", "water", "sand", "road") for row in rows.get(name, []))


@pytest.mark.parametrize(("width", "height"), [(64, 1000), (1000, 64)])
def test_narrow_pictures_of_either_kind_can_be_drawn(tmp_path, width, height):
    for record in source(tmp_path, width=width, height=height).images():
        assert record.load().pixels.shape == (height, width, 3)


def test_a_folder_that_cannot_be_written_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="choose another place for `path`"):
        next(source(tmp_path / "file" / "below").images())
    (tmp_path / "scenes" / "train_0_0000.png").mkdir(parents=True)  # a folder where the picture should be
    with pytest.raises(DataError, match="a folder to write scenes into"):
        next(source(tmp_path / "scenes").images())
