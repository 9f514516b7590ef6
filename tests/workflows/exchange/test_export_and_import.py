"""Classes from store to store: the same segments, one event, nothing twice, nothing of the store's own lost."""

import json
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from retclip.data.class_file.reading import read_class_file
from retclip.data.images import read_image
from retclip.errors import DataError, SpaceMismatch, StoreMissing
from retclip.plugin import SourceClass
from retclip.store.feature_store import FeatureStore
from retclip.store.ids import segment_id
from retclip.store.records import StoreOptions
from retclip.types import FeatureSpace, PhotoCredit
from retclip.workflows.building.build_store import build_store
from retclip.workflows.doctor.doctor import check_open_store
from retclip.workflows.exchange.export_classes import export_classes
from retclip.workflows.exchange.import_classes import ImportOptions, import_classes


class Other:
    """A backbone of another space."""

    def __new__(cls, kit):
        class Second(kit.Backbone):
            space = FeatureSpace("stub.second", "none", "other", "mean-1", 3)

            def dense_features(self, images):
                return [replace(one, grid=one.grid.flip(0), space=self.space) for one in super().dense_features(images)]

            def segment_vectors(self, features, masks, logits=None):
                return replace(super().segment_vectors(features, masks), space=self.space)

        return kit.loaded("stub.second", Second())


@pytest.fixture
def world(kit, tmp_path):
    """A source of four annotated photos on the disk: sky and grass, sky and car, twice."""
    images = []
    for number in range(4):
        drawn = kit.picture(right=("grass", "car")[number % 2], seed=number)
        path = tmp_path / f"{number}.png"
        Pillow.fromarray(drawn.pixels).save(path)
        images.append(replace(drawn, sha256=read_image(path).sha256, uri=str(path)))
    return kit.Source(images)


@pytest.fixture
def home(fresh, kit, world):
    build_store(kit.parts(fresh.store), world, "home:/secret/place/photos?split=train")
    return fresh.store


@pytest.fixture
def abroad(tmp_path):
    with FeatureStore.create(tmp_path / "abroad", StoreOptions()) as store:
        yield store


@pytest.fixture
def bring(kit, tmp_path):
    """Import a file, by its path, into a store."""

    def run(store, path, keys=None, **options):
        made = ImportOptions(path.name, **options)
        return import_classes(store, read_class_file(path), lambda: keys or kit.loaded("c", kit.Backbone()), made)

    return run


@pytest.fixture
def file(home, tmp_path):
    path = tmp_path / "all.zip"
    export_classes(home, None, path)
    return path


def ids_of(store, name):
    """The segments of a class with their ids."""
    export = store.segments.export([store.classes.id_of(name)], 1)
    return [(segment_id(one.image_sha256, one.proposer, one.prompt, one.ordinal), one) for one in export.segments]


def counted(store):
    return {one.name: one.segments for one in store.classes.all() if one.segments}


def test_everything_arrives_and_goes_out_again_as_the_same_bytes(home, abroad, bring, file, tmp_path):
    report = bring(abroad, file)
    assert (report.segments, report.photos, report.present) == (8, 4, 0)
    assert report.per_class == counted(abroad) == counted(home) == {"sky": 4, "grass": 2, "car": 2}
    assert {one.name: one.is_thing for one in abroad.classes.all()}["car"] is True
    export_classes(abroad, None, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()
    assert not [one for one in check_open_store(abroad, False) if not one.ok and one.what != "disk"]


def test_ids_and_vectors_are_the_same_in_both(home, abroad, bring, file):
    bring(abroad, file)
    query = torch.tensor(read_class_file(file).vectors.astype(np.float32))
    near = [store.nearest(query, [store.classes.id_of("sky")], 1, False) for store in (home, abroad)]
    assert torch.allclose(*(one.distances for one in near), atol=2e-3)
    ids = [key for name in ("sky", "grass", "car") for key, _ in ids_of(home, name)]
    here, there = home.segments.get(ids), abroad.segments.get(ids)
    assert len(there) == 8
    for one in ids:
        same = replace(here[one], run=there[one].run, source=there[one].source, image_uri=there[one].image_uri)
        assert same == there[one] and home.segments.mask(one) == abroad.segments.mask(one)


def test_one_class_alone_and_a_class_that_is_not_there(home, abroad, bring, tmp_path):
    with pytest.raises(StoreMissing):
        export_classes(abroad, None, tmp_path / "x.zip")
    export_classes(home, ["Car"], tmp_path / "car.zip")
    bring(abroad, tmp_path / "car.zip")
    assert counted(abroad) == {"car": 2}
    with pytest.raises(DataError, match="did you mean 'grass'"):
        export_classes(home, ["gras"], tmp_path / "x.zip")
    home.classes.remove("car", "me")
    with pytest.raises(DataError):
        export_classes(home, ["car"], tmp_path / "x.zip")
    with pytest.raises(DataError, match="zip"):
        export_classes(home, ["sky"], tmp_path / "grass")


def test_no_path_of_this_machine_and_no_account_is_written(home, file):
    ids = home.segments.export([one.id for one in home.classes.all()], 1).segments
    assert any("/" in one.uri for one in ids)
    with zipfile.ZipFile(file) as archive:
        text = b"".join(archive.read(one) for one in archive.namelist() if one != "vectors.npy").decode()
        assert json.loads(archive.read("origins.jsonl").splitlines()[0])["source"] == "home:photos?split=train"
    assert "secret" not in text and "tmp" not in text and "run " not in text


def test_twice_adds_nothing_twice(abroad, bring, file):
    first, second = bring(abroad, file), bring(abroad, file)
    assert (second.segments, second.present, second.event) == (0, 8, None)
    assert [one.id for one in abroad.history.log()] == [first.event]
    assert sum(counted(abroad).values()) == 8


def test_into_the_store_it_came_from_it_adds_nothing(home, bring, file):
    before = [one.id for one in home.history.log()]
    assert bring(home, file).present == 8
    assert [one.id for one in home.history.log()] == before


def test_one_event_and_one_undo_also_of_several_origins(kit, home, abroad, bring, tmp_path, world):
    parts = replace(kit.parts(home), proposer=kit.loaded("stub.others", kit.Proposer(kit.annotated)))
    build_store(parts, world, "home:")
    path = tmp_path / "two.zip"
    export_classes(home, None, path)
    assert len(read_class_file(path).origins) == 2
    report = bring(abroad, path)
    (event,) = abroad.history.log()
    assert (event.id, len(event.runs), event.segments) == (report.event, 2, 16)
    assert "two.zip" in event.target
    abroad.undo(report.event, "me")
    assert counted(abroad) == {}
    assert bring(abroad, path).segments == 16
    assert sum(counted(abroad).values()) == 16


def test_a_class_that_is_there_is_joined_and_said(kit, home, abroad, bring, world, tmp_path):
    home.classes.add_alias("car", "automobile", "me")
    home.classes.add_alias("sky", "heaven", "me")
    export_classes(home, None, tmp_path / "all.zip")
    theirs = kit.Source([kit.picture("sand", "car", seed=9)], names=("sand", "car"))
    build_store(kit.parts(abroad), theirs, "there:")
    abroad.classes.rename("car", "motor car", "me")
    abroad.classes.add_alias("sand", "heaven", "me")
    met = bring(abroad, tmp_path / "all.zip").classes
    assert met.joined == {"car": "motor car"} and set(met.new) == {"sky", "grass"}
    assert met.taken == (("heaven", "sky", "sand"),)
    assert counted(abroad)["motor car"] == 3
    aliases = {one.name: set(one.aliases) for one in abroad.classes.all()}
    assert aliases["motor car"] == {"car", "automobile"} and aliases["sky"] == set()


def test_thing_or_stuff_is_what_the_store_said_first(kit, home, abroad, bring, file):
    source = kit.Source([kit.picture("sand", "sky", seed=9)])
    source.classes = lambda: tuple(SourceClass(name, True) for name in ("sand", "sky"))
    build_store(kit.parts(abroad), source, "there:")
    assert bring(abroad, file).classes.kinds == ("sky",)
    assert {one.name: one.is_thing for one in abroad.classes.all()}["sky"] is True


def test_what_people_said_before_stays(home, abroad, bring, file):
    bring(abroad, file)
    one = ids_of(abroad, "car")[0][0]
    abroad.segments.relabel([one], "grass", "me")
    two = ids_of(abroad, "sky")[0][0]
    abroad.segments.quarantine([two], "me")
    assert bring(abroad, file).segments == 0
    said = abroad.segments.get([one, two])
    assert said[one].class_name == "grass" and said[two].status == "quarantined"


def test_a_removed_class_comes_back(abroad, bring, file):
    bring(abroad, file)
    abroad.classes.remove("car", "me")
    report = bring(abroad, file)
    assert (report.segments, report.present) == (2, 6)
    assert counted(abroad) == {"sky": 4, "grass": 2, "car": 2}


def test_a_build_from_the_photos_fills_the_same_slots(kit, abroad, bring, file, world):
    bring(abroad, file)
    build_store(kit.parts(abroad), world, "there:")
    assert sum(counted(abroad).values()) == 8


def test_an_import_retires_nothing_that_it_does_not_have(kit, home, bring, world, tmp_path):
    """Of a photo in the file only the car is known: what the store found in it stays."""
    export_classes(home, ["car"], tmp_path / "car.zip")
    home.classes.remove("car", "me")
    assert bring(home, tmp_path / "car.zip").segments == 2
    assert counted(home) == {"sky": 4, "grass": 2, "car": 2}
    build_store(kit.parts(home), world, "home:/secret/place/photos?split=train")
    assert counted(home) == {"sky": 4, "grass": 2, "car": 2}


def test_a_dry_run_writes_nothing(abroad, bring, file):
    report = bring(abroad, file, dry_run=True)
    assert (report.segments, report.photos, report.event) == (8, 4, None)
    assert report.classes.new == ("car", "grass", "sky")
    assert counted(abroad) == {} and not len(abroad.history.log()) and abroad.spaces.rows() == []


def test_another_space_is_refused_with_both_and_what_to_do(kit, home, abroad, bring, file):
    said = []
    for build in (False, True):
        if build:  # the space is the store's from now on
            build_store(replace(kit.parts(abroad), backbone=Other(kit)), kit.Source([kit.picture(seed=7)]), "there:")
        with pytest.raises(SpaceMismatch) as caught:
            bring(abroad, file, Other(kit))
        said.append(str(caught.value))
    colour, second = "stub.colour (weights none, none, pooling mean-1", "stub.second (weights none, other, pooling"
    for message in said:
        assert all(words in message for words in (colour, second, "--recompute", "--backbone stub.colour"))
    assert sum(counted(abroad).values()) == 2


def test_vectors_are_made_anew_from_the_photos_that_are_there(kit, home, abroad, bring, file, world):
    there = kit.Source([*world.items[:3], kit.picture(seed=99)])
    report = bring(abroad, file, Other(kit), photos=there, address="photos", recompute=True)
    assert (report.photos_found, report.photos_missing) == (3, 1)
    assert (report.segments, report.without_photo) == (6, 2)
    assert abroad.spaces.first().backbone == "stub.second"
    photo = world.items[0]
    made = abroad.segments.export([abroad.classes.id_of("grass")], 1)
    row = next(n for n, one in enumerate(made.segments) if one.image_sha256 == photo.sha256)
    right = photo.pixels[:, photo.size[1] // 2 :].reshape(-1, 3).mean(0)[::-1]
    assert np.allclose(made.vectors[row], right / np.linalg.norm(right), atol=2e-3)
    assert bring(abroad, file, Other(kit), photos=world, address="photos", recompute=True).segments == 2


def test_a_photo_that_is_not_the_one_is_a_failure_and_the_others_arrive(kit, home, abroad, bring, file, world):
    broken = kit.Source([*world.items])
    load = broken.load
    broken.load = lambda number, item: load(number, DataError("a photo", "half", "copy") if number == 1 else item)
    report = bring(abroad, file, Other(kit), photos=broken, address="photos", recompute=True)
    assert (report.segments, report.without_photo, len(report.failures)) == (6, 2, 1)


def test_places_of_photos_are_the_users_and_credits_arrive(kit, home, abroad, bring, tmp_path, world):
    credited = kit.Source(world.items)
    credited.images = lambda: (
        replace(one, extra={"credit": PhotoCredit("Ann", "CC BY 2.0", "https://example.org/a.jpg")})
        for one in world.images()
    )
    store = FeatureStore.create(tmp_path / "third", StoreOptions(index="resident"))
    build_store(kit.parts(store), credited, "home:")
    export_classes(store, None, tmp_path / "credits.zip")
    photo = read_class_file(tmp_path / "credits.zip").photos[0]
    assert (photo.author, photo.licence, photo.address) == ("Ann", "CC BY 2.0", "https://example.org/a.jpg")
    report = bring(abroad, tmp_path / "credits.zip", photos=kit.Source(world.items[:1]), address="photos")
    assert (report.photos_found, report.photos_missing, report.segments) == (1, 3, 8)
    places = {one.image_sha256: one.uri for one in abroad.segments.export([abroad.classes.id_of("sky")], 1).segments}
    assert places[world.items[0].sha256] == world.items[0].uri
    assert places[world.items[1].sha256] == "https://example.org/a.jpg"
    store.close()


def test_a_second_space_says_which_photos_it_lacks(kit, home, abroad, bring, file):
    """Photos that are not at hand: `add-space` tells each, and opens no place that a file names."""
    from retclip.workflows.building.add_space import add_space

    bring(abroad, file)
    opened = []
    report = add_space(abroad, Other(kit), lambda address: opened.append(address), 8)
    assert (report.segments, len(report.failures), opened) == (0, 4, [])
    assert add_space(abroad, Other(kit), lambda address: opened.append(address), 8, accept_failed=True).lacking == 0


def test_a_lost_shard_is_made_again_by_the_import(home, abroad, bring, file):
    bring(abroad, file)
    (shard,) = abroad.archive.names()
    abroad.archive.path(shard).write_bytes(b"damaged")
    abroad.archive._open.clear()
    findings = check_open_store(abroad, True)
    cure = next(one.cure for one in findings if one.what == "archive")
    assert "retclip class import all.zip" in cure
    assert bring(abroad, file).segments == 8
    assert not [one for one in check_open_store(abroad, False) if not one.ok and one.what != "disk"]


def test_every_step_can_be_the_last(kit, home, bring, file, tmp_path, stopped_at):
    """Stopped after each step and repeated: everything is there once, under one event."""
    for step in range(100):
        store = FeatureStore.create(tmp_path / f"store{step}")
        stopped = stopped_at(step, partial(bring, store, file, at_once=2))
        if stopped:
            store.close()
            store = FeatureStore.open(tmp_path / f"store{step}")
            bring(store, file, at_once=2)
        events = store.history.log()
        findings = [one for one in check_open_store(store, False) if not one.ok and one.what != "disk"]
        assert (counted(store), len(events), findings) == ({"sky": 4, "grass": 2, "car": 2}, 1, [])
        store.close()
        if not stopped:
            assert step > 10
            return
    raise AssertionError("the import never came to its end")


@pytest.fixture
def doubted(home, tmp_path):
    """A file of cars alone: one that is a car, one that is none, and two patches of grass that are none."""
    ids = {name: [number for number, _ in ids_of(home, name)] for name in ("car", "grass")}
    home.segments.reject([ids["car"][0], *ids["grass"]], "car", "ann")
    path = tmp_path / "cars.zip"
    report = export_classes(home, ["car"], path)
    assert (report.classes, report.segments, report.negatives) == ({"car": 1}, 4, 3)
    return path


def negatives_of(store):
    return {one.name: one.negatives for one in store.classes.all() if one.negatives}


def test_negative_examples_travel_with_their_class(home, abroad, bring, doubted, tmp_path):
    report = bring(abroad, doubted)
    assert (report.segments, report.negatives, report.per_class) == (4, 3, {"car": 1})
    assert counted(abroad) == {"car": 1} and negatives_of(abroad) == {"car": 3}
    assert sorted(abroad.segments.rejected()["car"]) == sorted(home.segments.rejected()["car"])
    here = home.nearest(torch.eye(3), [home.classes.id_of("car")], 9, False).negatives
    there = abroad.nearest(torch.eye(3), [abroad.classes.id_of("car")], 9, False).negatives
    was, now = (store.segments.vectors(list(found.ids)) for store, found in ((home, here), (abroad, there)))
    assert len(was) == 3 and {one: was[one].tolist() for one in was} == {one: now[one].tolist() for one in now}
    export_classes(abroad, ["car"], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == doubted.read_bytes()
    assert not bring(abroad, doubted).negatives
    abroad.undo(report.event, "ann")
    assert not counted(abroad) and not abroad.segments.rejected()


def test_with_its_own_class_a_negative_example_keeps_its_label(home, abroad, bring, doubted, tmp_path):
    assert export_classes(home, None, tmp_path / "all.zip").negatives == 3
    bring(abroad, tmp_path / "all.zip")
    assert counted(abroad) == counted(home) == {"sky": 4, "grass": 2, "car": 1}
    assert negatives_of(abroad) == {"car": 3}


def test_segments_that_are_there_become_negative_examples(kit, home, abroad, bring, doubted, world):
    build_store(kit.parts(abroad), world, "home:/secret/place/photos?split=train")
    assert bring(abroad, doubted, dry_run=True).negatives == 3 and not negatives_of(abroad)
    report = bring(abroad, doubted)
    assert (report.segments, report.present, report.negatives) == (0, 4, 3)
    assert counted(abroad) == {"sky": 4, "grass": 2, "car": 1} and negatives_of(abroad) == {"car": 3}
    again = bring(abroad, doubted)
    assert (again.negatives, again.event) == (0, None)
    abroad.undo(report.event, "ann")
    assert counted(abroad)["car"] == 2 and not negatives_of(abroad)
    assert bring(abroad, doubted).negatives == 3
    abroad.segments.reject(abroad.segments.rejected()["car"], "car", "ann", holds=False)
    assert bring(abroad, doubted).negatives == 0 and not negatives_of(abroad), "what a person said stays"


def test_a_negative_example_votes_for_its_class_at_no_step(bring, doubted, tmp_path, stopped_at):
    for step in range(100):
        store = FeatureStore.create(tmp_path / f"store{step}")
        stopped = stopped_at(step, partial(bring, store, doubted, at_once=1))
        store.close()
        with FeatureStore.open(tmp_path / f"store{step}") as store:
            assert counted(store).get("car", 0) <= 1
            bring(store, doubted)
            assert counted(store) == {"car": 1} and negatives_of(store) == {"car": 3}
            assert len(store.history.log()) == 1
        if not stopped:
            assert step > 10
            return
    raise AssertionError("the import never came to its end")
