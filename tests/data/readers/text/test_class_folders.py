"""A folder of photos for each class; and what is refused."""

import pytest

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.readers.text import class_folders
from retclip.data.readers.text.class_folders import ClassFolders


def folders(root, **settings):
    return ClassFolders(AnnotatedSettings(path=str(root), **settings))


@pytest.fixture
def refused(refused):
    """Open a source and load all of it."""
    return lambda opened, *words: refused(lambda: [one.load() for one in opened().images()], *words)


def test_a_folder_s_name_is_the_class_of_all_that_lies_below(tmp_path, photo):
    photo(tmp_path, "red_fox/b.png", "red_fox/deep/a.png", "owl/c.png", ".hidden/d.png")
    (tmp_path / "owl" / "notes.txt").write_text("no photo")
    source = folders(tmp_path)
    assert [(one.name, one.is_thing) for one in source.classes()] == [("owl", None), ("red fox", None)]
    found = [(one.external_id, one.class_names) for one in source.images()]
    assert found == [("owl/c.png", ("owl",)), ("red_fox/b.png", ("red fox",)), ("red_fox/deep/a.png", ("red fox",))]
    assert len(source) == 3 and all(one.load().truth is None for one in source.images())
    digests = {one.external_id: one.annotation_digest for one in source.images()}
    (tmp_path / "owl").rename(tmp_path / "barn owl")
    assert next(folders(tmp_path).images()).annotation_digest not in digests.values()


def test_a_split_is_a_folder_above_and_classes_can_be_left_out(tmp_path, photo):
    photo(tmp_path, "val/owl/c.png", "train/fox/a.png", "train/owl/b.png")
    assert [one.name for one in folders(tmp_path, split="val").classes()] == ["owl"]
    found = {one.external_id: one.class_names for one in folders(tmp_path, split="train", exclude="fox").images()}
    assert found == {"fox/a.png": (), "owl/b.png": ("owl",)}


def test_the_parts_of_a_data_set_are_no_classes(tmp_path, photo, refused):
    photo(tmp_path, "val/owl/c.png", "Train/fox/a.png")
    refused(lambda: folders(tmp_path), "a folder for each class", "'Train'", "?split=Train")
    photo(tmp_path, "car/a.png")  # a train is a class beside a car
    assert [one.name for one in folders(tmp_path).classes()] == ["Train", "car", "val"]
    photo(tmp_path, "trains/train/a.png")  # and alone, where no folders lie below
    assert [one.name for one in folders(tmp_path / "trains").classes()] == ["train"]


FOLDERS = {
    "no folder": (lambda root, _: None, "nowhere"),
    "no class folder": (lambda root, photo: photo(root, "nowhere/a.png"), "no folder"),
    "no photo": (lambda root, _: (root / "nowhere/fox").mkdir(parents=True), "none"),
    "a file": (lambda root, _: (root / "nowhere").write_text(""), "nowhere"),
    "one class twice": (lambda root, photo: photo(root, "nowhere/red fox/a.png", "nowhere/Red_Fox/b.png"), "Red_Fox"),
    "a name that is no UTF-8": (lambda root, photo: photo(root, "nowhere/caf\udce9/a.png"), "rename it in UTF-8"),
    "a name of spaces": (lambda root, photo: photo(root, "nowhere/ _ /a.png"), "' _ '"),
}


@pytest.mark.parametrize(("damage", "word"), FOLDERS.values(), ids=FOLDERS)
def test_folders_that_name_no_classes(tmp_path, photo, refused, damage, word):
    damage(tmp_path, photo)
    refused(lambda: folders(tmp_path / "nowhere"), word, "nowhere")


def test_the_names_of_many_folders_are_compared_once_each(tmp_path, photo, monkeypatch):
    photo(tmp_path, *(f"class {number}/a.png" for number in range(20)))
    keys, key = [], class_folders.name_key
    monkeypatch.setattr(class_folders, "name_key", lambda name: keys.append(name) or key(name))
    assert len(folders(tmp_path)) == 20 and len(keys) == 20


def test_every_hostile_photo_in_a_class_folder_is_refused_by_name(tmp_path, hostile, refused):
    _, bad = hostile.write_corpus(tmp_path / "fox")
    by_path = {one.uri: one for one in folders(tmp_path).images()}
    checked = 0
    for path in bad:
        if str(path) in by_path:
            refused(lambda path=path: type("One", (), {"images": lambda _: [by_path[str(path)]]})(), path.name)
            checked += 1
    assert checked >= 20
