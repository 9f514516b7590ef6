"""Which files are photos, and which photo a record means: its own, never another of that name."""

import pytest

from retclip.data.photo_files import NamedPhotos, inside_name, photos_in, spelled
from retclip.errors import DataError

E_COMPOSED, E_APART = "\u00e9.png", "e\u0301.png"


def made(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_a_folder_s_photos_and_what_else_lies_there(tmp_path):
    made(tmp_path, "b.JPG", "a.jfif", "c.gif", "d.avif", "e.HEIC", "f.heic", "g.txt", "h", ".hidden", "below/i.png")
    photos, other = photos_in(tmp_path)
    assert [path.name for path in photos] == ["a.jfif", "b.JPG", "c.gif", "d.avif"]
    assert other.counts == {
        "folders below, which recursive=true reads": 1, "files that are not read (.heic)": 2,
        "files that are not read (.txt)": 1, "files that are not read (no ending)": 1,
    }  # fmt: skip
    photos, other = photos_in(tmp_path, recursive=True)
    assert tmp_path / "below/i.png" in photos and "folders below, which recursive=true reads" not in other.counts


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.png", "a.png"), ("x\\a.png", "x/a.png"), ("./x//a.png", "x/a.png"), (" a.png ", "a.png"),
     ("a b.png", "a b.png"), ("..png", "..png")],
)  # fmt: skip
def test_names_as_programs_write_them(name, found):
    assert inside_name(name, "row 3") == found


@pytest.mark.parametrize("name", ["../a", "x/../../a", "x\\..\\a", "/a", "\\a", "\\\\host\\a", "a\0", "", " ", "."])
def test_a_name_that_leads_out_is_refused(refused, name):
    refused(lambda: inside_name(name, "row 3"), "row 3", "use a relative name")


def test_a_file_name_alone_stands_in_only_for_what_nobody_else_owns(tmp_path):
    made(tmp_path, "1.png", "2.png", "front/3.png", "4.png")
    names = ["1.png", "rear/1.png", "rear/2.png", "front/3.png", "x/4.png", "y/4.png"]
    photos = NamedPhotos([tmp_path], names, stand_in=True)
    assert {name: photos.path(name).relative_to(tmp_path).as_posix() for name in names} == {
        "1.png": "1.png", "rear/1.png": "rear/1.png",  # the first is owned: the other one is missing
        "rear/2.png": "2.png", "front/3.png": "front/3.png",
        "x/4.png": "x/4.png", "y/4.png": "y/4.png",  # nobody knows whose it is
    }  # fmt: skip
    assert NamedPhotos([tmp_path], names).path("rear/2.png") == tmp_path / "rear/2.png"


def test_several_folders_are_tried_in_turn(tmp_path):
    made(tmp_path, "a/1.png", "b/1.png", "b/2.png")
    photos = NamedPhotos([tmp_path / "a", tmp_path / "b"], ["1.png", "2.png", "3.png"])
    found = [photos.path(name).relative_to(tmp_path).as_posix() for name in ("1.png", "2.png", "3.png")]
    assert found == ["a/1.png", "b/2.png", "a/3.png"]


@pytest.mark.parametrize(("on_disk", "named"), [(E_COMPOSED, E_APART), (E_APART, E_COMPOSED)])
def test_letters_composed_or_not_name_one_file(tmp_path, on_disk, named):
    folder = "caf" + on_disk.removesuffix(".png")
    made(tmp_path, f"{folder}/{on_disk}")
    name = f"caf{named.removesuffix('.png')}/{named}"
    assert spelled(tmp_path, name) == tmp_path / folder / on_disk
    assert NamedPhotos([tmp_path], [name]).path(name).is_file()
    assert NamedPhotos([tmp_path / folder], [f"x/{named}"], stand_in=True).path(f"x/{named}").is_file()
    assert spelled(tmp_path, f"gone/{named}") == tmp_path / "gone" / named
    made(tmp_path, f"{folder}/new{on_disk}")  # a listing is not kept longer than it holds
    assert spelled(tmp_path, f"caf{named.removesuffix('.png')}/new{named}").is_file()


def test_links_are_followed_wherever_they_lead_and_only_decoded(tmp_path):
    from PIL import Image as Pillow

    from retclip.data.image_folder import ImageFolder, ImageFolderSettings

    (tmp_path / "set").mkdir()
    Pillow.new("RGB", (6, 4)).save(tmp_path / "elsewhere.png")
    (tmp_path / "secret").write_text("a password")
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "secret")
    (tmp_path / "set" / "c.png").symlink_to(tmp_path / "gone.png")
    photo, secret, gone = ImageFolder(ImageFolderSettings(path=str(tmp_path / "set"))).images()
    assert photo.load().size == (4, 6)
    for record in (secret, gone):
        with pytest.raises(DataError) as caught:
            record.load()
        assert record.uri in str(caught.value) and "password" not in str(caught.value)
