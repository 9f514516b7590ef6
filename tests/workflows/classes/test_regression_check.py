"""The two walks: the same classes asked both times, the first walk's maps on disk, a bad probe told before anything."""

import numpy as np
import pytest

from retclip.errors import DataError
from retclip.types import Image
from retclip.workflows.building.build_store import build_store
from retclip.workflows.classes.add_class import add_class
from retclip.workflows.classes.addition import Addition
from retclip.workflows.classes.regression_check import RegressionCheck


@pytest.fixture
def store(fresh, kit):
    """Grass and cars; what is blue is taken for grass."""
    build_store(kit.parts(fresh.store), kit.Source([kit.picture("grass", "car")]), "listed:old")
    return fresh.store


@pytest.fixture
def look(store, kit, tmp_path):
    def check(probe, name="sky", is_thing=False):
        folder = tmp_path / f"maps{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return RegressionCheck(kit.voting(store), kit.Source(*probe), Addition(name, [], is_thing), folder)

    return check


def add(store, kit, name="sky"):
    add_class(kit.parts(store), Addition(name, [(kit.Source([kit.picture("sky", "sand")]), "listed:new")]))


def plain(image):
    return Image(image.pixels, image.sha256, image.uri)


def test_of_plain_photos_the_pixels_that_flipped(look, store, kit):
    check = look(([plain(kit.picture("grass", "sky", seed=1)), plain(kit.picture("grass", "car", seed=2))], ()))
    check.before(None)
    assert (check.annotated, check.names, check.old) == (False, ("car", "grass", "sky"), ("car", "grass"))
    add(store, kit)
    found = check.after(None)
    changes = {one.name: (one.before, one.after, one.to_new, one.lost) for one in found.classes}
    assert changes == {"grass": (576, 384, 192, pytest.approx(100 / 3)), "car": (192, 192, 0, 0)}
    assert (found.images, found.flipped, found.new.after, found.failures) == (2, 25, 192, ())
    assert found.settings["proposer"]["name"] == "stub.masks"


def test_of_an_annotated_probe_the_figures_too(look, store, kit):
    check = look(([kit.picture("grass", "sky", seed=1)],))
    check.before(0.0)
    add(store, kit)
    found = check.after(0.0)
    (grass, car) = sorted(found.classes, key=lambda one: one.name != "grass")
    assert (grass.iou.before, grass.iou.after, grass.pq.before, grass.pq.after) == (50, 100, 0, 100)
    assert (found.new.iou.before, found.new.iou.after, found.new.pq.after) == (0, 100, 100)
    assert (grass.regression, car.regression, found.worse) == (-50, None, ())


def test_the_maps_lie_compressed_on_disk_a_byte_a_pixel(look, kit):
    check = look(([kit.picture("grass", "sky", seed=n) for n in range(3)],))
    check.before(None)
    files = sorted(check.folder.iterdir())
    assert [one.name for one in files] == ["0.npz", "1.npz", "2.npz"]
    with np.load(files[0]) as kept:
        assert kept["classes"].dtype == np.uint8 and kept["classes"].shape == (16, 24)
    assert not [one for one in vars(check).values() if isinstance(one, np.ndarray)]


def test_a_name_of_a_class_that_is_there_means_that_class(look, store, kit):
    store.classes.add_alias("grass", "lawn", "ann")
    assert look(([kit.picture()],), "Lawn").names == ("car", "grass")
    assert look(([kit.picture()],), "GRASS").new == "grass"
    store.classes.merge("car", "grass", "ann")
    assert look(([kit.picture()],), "car").new == "grass"


def test_whoever_says_whether_the_new_class_counts_says_it_for_both_walks(look, kit):
    kinds = [{one.name: one.is_thing for one in look(([kit.picture()],), is_thing=said).known}
             for said in (False, True, None)]  # fmt: skip
    assert [one["sky"] for one in kinds] == [False, True, True]
    assert all((one["car"], one["grass"]) == (True, False) for one in kinds)


def test_bad_images_are_listed_and_a_probe_of_nothing_else_is_refused(look, store, kit):
    bad = DataError("a photo", "none", "copy it")
    with pytest.raises(DataError, match="readable photo to probe with"):
        look(([bad], ()))
    check = look(([bad, plain(kit.picture("grass", "sky"))], ()))
    check.before(None)
    add(store, kit)
    found = check.after(None)
    assert (found.images, [one.external_id for one in found.failures]) == (1, ["item0"])


def test_an_annotation_without_an_old_class_cannot_be_held_against_a_limit(look, kit):
    probe = ([kit.picture("sky", "sand")],)
    look(probe).before(None)
    with pytest.raises(DataError, match=r"shows an old class, e\.g\. car, grass; got none of them"):
        look(probe).before(1.0)


def test_another_probe_after_than_before_is_told(look, store, kit):
    first, second = kit.picture("grass", "sky"), kit.picture("grass", "car")
    for changed in (DataError("a photo", "none", "copy it"), kit.picture("grass", "car", size=(8, 8))):
        items = [plain(first), plain(second)]
        check = look((items, ()))
        check.before(None)
        check.probe.source.items[1] = changed if isinstance(changed, DataError) else plain(changed)
        with pytest.raises(DataError, match="the same images of the probe before and after"):
            check.after(None)


def test_a_store_without_classes_can_be_probed(fresh, kit, tmp_path):
    check = RegressionCheck(
        kit.voting(fresh.store), kit.Source([plain(kit.picture())], ()), Addition("sky", []), tmp_path
    )
    check.before(5.0)
    add(fresh.store, kit)
    found = check.after(5.0)
    assert (found.classes, found.worse, found.new.after > 0) == ((), (), True)


def test_progress_is_told_for_each_image(look, kit):
    for probe in (
        ([plain(kit.picture(seed=n)) for n in range(3)], ()),
        ([kit.picture("grass", seed=n) for n in range(3)],),
    ):
        steps = []
        look(probe).before(None, lambda now: steps.append((now.done, now.total)))  # noqa: B023
        assert steps == [(1, 3), (2, 3), (3, 3)]
