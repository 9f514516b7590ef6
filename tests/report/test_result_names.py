"""Names of results: by the photos' places, apart from each other, safe on every file system."""

from itertools import islice

import pytest

from retclip.report.result_names import ResultName, name_of, named, others, result_names, safe


def names(*uris):
    return [(one.stem, one.photo) for one in result_names([(uri, uri) for uri in uris])]


def test_photos_of_one_folder_have_their_own_names():
    assert names("/p/x.jpg", "/p/y.png") == [("x", "x.jpg"), ("y", "y.png")]
    assert names("/p/x.jpg") == [("x", "x.jpg")]
    assert names() == []


def test_folders_tell_equal_names_apart():
    assert names("/p/A/x.jpg", "/p/B/x.jpg") == [("A/x", "A/x.jpg"), ("B/x", "B/x.jpg")]
    assert names("/p/x.jpg", "/p/deep/er/x.jpg") == [("x", "x.jpg"), ("deep/er/x", "deep/er/x.jpg")]


def test_endings_tell_equal_stems_apart():
    assert names("/p/x.jpg", "/p/x.png", "/p/y.jpg") == [("x.jpg", "x.jpg"), ("x.png", "x.png"), ("y", "y.jpg")]
    assert names("/p/X.jpg", "/p/x.png") == [("X.jpg", "X.jpg"), ("x.png", "x.png")]  # one file on some disks
    assert names("/p/a b.jpg", "/p/a_b.png") == [("a_b.jpg", "a b.jpg"), ("a_b.png", "a_b.png")]


def test_one_photo_twice_has_one_name():
    assert names("/p/x.jpg", "/p/x.jpg") == [("x", "x.jpg")] * 2


def test_a_photo_that_is_no_file_goes_by_its_name_in_the_source():
    found = result_names([("s3://bucket/x.jpg", "train/0001.jpg"), ("", "7"), ("/p/x.jpg", "other")])
    assert [(one.stem, one.photo) for one in found] == [
        ("train/0001", "train/0001.jpg"), ("7", "7"), ("x", "x.jpg"),
    ]  # fmt: skip


def test_others_lead_to_the_photo_as_long_as_they_can():
    uri, digest = "/data/B/x.jpg", "f" * 64
    assert list(islice(others(name_of(uri, digest), uri, digest), 6)) == [
        ResultName("x", "x.jpg"), ResultName("x.jpg", "x.jpg"), ResultName("B/x", "B/x.jpg"),
        ResultName("data/B/x", "data/B/x.jpg"), ResultName("x_ffffffff", "x_ffffffff.jpg"),
        ResultName("x_ffffffff_2", "x_ffffffff_2.jpg"),
    ]  # fmt: skip


def test_a_person_s_name_stays_as_near_as_it_can():
    uri, digest = "/data/B/x.jpg", "f" * 64
    assert list(islice(others(named("my scene", uri, digest), uri, digest), 4)) == [
        ResultName("my_scene", "x.jpg"), ResultName("my_scene", "my_scene.jpg"),
        ResultName("my_scene_ffffffff", "my_scene_ffffffff.jpg"),
        ResultName("my_scene_ffffffff_2", "my_scene_ffffffff_2.jpg"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "a/../b", "x\0y", "./.hidden", "", "..", "caf\udce9"]
)
def test_no_name_leads_out_of_its_folder(path):
    found = safe(path)
    assert found and not found.startswith("/") and ".." not in found.split("/") and found.encode()
    for one in result_names([("", path)]):
        assert not one.stem.startswith("/") and ".." not in one.stem.split("/")
