"""Photos without labels: a file, a folder or a glob, in natural and fixed order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.errors import DataError


def photos(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.full((2, 3, 3), len(name), np.uint8)).save(folder / name, format="PNG")


def listed(path, **settings):
    return [one.external_id for one in ImageFolder(ImageFolderSettings(path=str(path), **settings)).images()]


def test_a_record_loads_its_photo(tmp_path):
    photos(tmp_path / "holiday", "a.png")
    source = ImageFolder(ImageFolderSettings(path=str(tmp_path / "holiday")))
    assert source.name == "holiday"
    assert source.classes() == ()
    assert len(source) == 1
    record = next(source.images())
    image = record.load()
    assert image.truth is None
    assert image.sha256 == record.file_digest()
    assert image.uri == record.uri == str(tmp_path / "holiday" / "a.png")
    assert (record.class_names, record.annotation_digest) == (None, "")


def test_numbers_are_sorted_as_numbers(tmp_path):
    names = ["photo1.png", "photo2.png", "Photo3.png", "photo10.png", "photo10b.png", "photo20.png", "zoo.png"]
    photos(tmp_path, *reversed(names))
    assert listed(tmp_path) == names


@pytest.mark.parametrize("name", ["1²2.png", "a³.png", "١٢.png", "①.png", "9" * 200 + ".png", "-1.png"])
def test_digits_of_every_kind_can_be_sorted(tmp_path, name):
    photos(tmp_path, name, "5.png", "a5.png")
    assert set(listed(tmp_path)) == {name, "5.png", "a5.png"}


def test_the_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    names = ["a1.png", "a01.png", "A1.png", "a001.png"]  # equal but for zeros and capitals
    photos(tmp_path, *names)
    first = listed(tmp_path)
    forwards = Path.iterdir
    for turn in (sorted, lambda paths: sorted(paths, reverse=True)):
        monkeypatch.setattr(Path, "iterdir", lambda path, turn=turn: iter(turn(forwards(path))))
        assert listed(tmp_path) == first
    assert sorted(first) == sorted(names)


def test_a_folder_lists_what_ends_like_a_photo(tmp_path):
    kept = ["a.JPG", "b.jpeg", "c.png", "d.webp", "e.bmp", "f.tif", "g.TIFF"]
    photos(tmp_path, *kept, "notes.txt", "movie.mp4", ".hidden.png", "._a.jpg", "png", "below/h.png")
    assert listed(tmp_path) == kept


def test_folders_below_are_searched_when_told(tmp_path):
    photos(tmp_path, "b.png", "a/2.png", "a/10.png", "a/deep/1.png")
    assert listed(tmp_path) == ["b.png"]
    assert listed(tmp_path, recursive=True) == ["a/2.png", "a/10.png", "a/deep/1.png", "b.png"]


def test_broken_photos_are_listed_and_fail_when_loaded(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "b.jpg").symlink_to("nowhere")
    (tmp_path / "c.jpg").write_bytes(b"no photo")
    records = list(ImageFolder(ImageFolderSettings(path=str(tmp_path))).images())
    assert [one.external_id for one in records] == ["a.jpg", "b.jpg", "c.jpg"]
    for one in records:
        with pytest.raises(DataError, match=one.external_id):
            one.load()


def test_a_file_named_outright_is_taken_whatever_its_name(tmp_path):
    photos(tmp_path, "strange.dat", "brackets[1].png", "what?.png")
    for name in ("strange.dat", "brackets[1].png", "what?.png"):
        assert listed(tmp_path / name) == [name]
    (tmp_path / "link.jpg").symlink_to("nowhere")
    assert listed(tmp_path / "link.jpg") == ["link.jpg"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["a2.png", "a10.png", "b1.png"]),
        ("a*.png", ["a2.png", "a10.png"]),
        ("a?.png", ["a2.png"]),
        ("[ab]1*.png", ["a10.png", "b1.png"]),
        ("**/*.png", ["a2.png", "a10.png", "b1.png", "below/c.png"]),
        ("*/*.png", ["below/c.png"]),
        ("bel*/c.png", ["below/c.png"]),
        ("a10.*", ["a10.png", "a10.txt"]),
    ],
)
def test_globs_are_found_and_named_from_their_folder(tmp_path, pattern, names):
    photos(tmp_path / "set", "a10.png", "a2.png", "b1.png", "below/c.png", "a10.txt")
    source = ImageFolder(ImageFolderSettings(path=str(tmp_path / "set" / pattern)))
    assert [one.external_id for one in source.images()] == names
    assert source.name == "set"


def test_a_glob_from_the_folder_one_stands_in(tmp_path, monkeypatch):
    photos(tmp_path, "a.png", "below/b.png")
    monkeypatch.chdir(tmp_path)
    assert listed("*.png") == ["a.png"]
    assert listed("below/*.png") == ["b.png"]
    assert listed(".") == ["a.png"]
    assert ImageFolder(ImageFolderSettings(path=".")).name == tmp_path.name


def test_an_empty_folder_holds_no_photos(tmp_path):
    source = ImageFolder(ImageFolderSettings(path=str(tmp_path)))
    assert len(source) == 0
    assert list(source.images()) == []


@pytest.mark.parametrize(
    "path", ["absent", "absent.jpg", "absent/*.png", "*.gif", "n" * 300, "n" * 300 + "*", "a\0b", "a\0b/*.png", ""]
)
def test_a_path_that_leads_nowhere_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    if not path:
        assert listed(path) == []  # the empty path is the folder one stands in
        return
    with pytest.raises(DataError) as caught:
        listed(path)
    assert path in caught.value.expected


def test_the_real_photos_are_all_read(shared_data):
    records = list(ImageFolder(ImageFolderSettings(path=str(shared_data / "photos"))).images())
    assert len(records) >= 10
    assert all(min(one.load().size) > 50 for one in records)


def test_several_paths_are_one_source_each_photo_once(tmp_path):
    for name in ("one/b.png", "one/a.png", "two/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    paths = [str(tmp_path / name) for name in ("two/a.png", "one", "one/a.png")]
    source = ImageFolder(ImageFolderSettings(path=paths))
    assert [one.external_id for one in source.images()] == ["two/a.png", "one/a.png", "one/b.png"]
    assert (len(source), source.name) == (3, tmp_path.name)
    with pytest.raises(DataError, match=r"gone\.png"):
        ImageFolder(ImageFolderSettings(path=[*paths, str(tmp_path / "gone.png")]))
