"""A probe's annotation in the store's words: aliases and synonyms understood, what the store lacks left void."""

import numpy as np
import pytest

from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.store.records import StoreClass
from retclip.types import Image
from retclip.workflows.classes.probe_source import is_annotated, meanings, probe_source, renamed

STORED = [StoreClass(1, "meadow", False, ("Grass",), 3, 2), StoreClass(2, "car", True, (), 3, 2)]


def test_names_of_the_source_mean_classes_of_the_store():
    source = [
        SourceClass("grass"), SourceClass("CAR"), SourceClass("auto", synonyms=("vehicle", "Car")), SourceClass("sand"),
        SourceClass("Fog"),
    ]  # fmt: skip
    assert meanings(source, STORED, "fog") == {"grass": "meadow", "car": "car", "auto": "car", "fog": "fog"}


def test_what_means_nothing_becomes_void(kit):
    image = kit.picture("grass", "sand")
    found = renamed(image.truth, {"grass": "meadow"})
    assert [(one.id, one.class_name) for one in found.segments] == [(1, "meadow")]
    assert (found.label_map[:, :12] == 1).all() and (found.label_map[:, 12:] == 0).all()
    assert found.label_map.dtype == np.int32 and image.truth.label_map.max() == 2, "the annotation itself stays"


def test_a_probe_asks_for_the_store_and_notes_what_was_shown(kit):
    source = kit.Source([kit.picture("grass", "sand"), kit.picture("grass", "car")])
    shown = set()
    classes = (SourceClass("meadow"), SourceClass("car"))
    probe = probe_source(source, classes, {"grass": "meadow", "car": "car"}, shown)
    assert (probe.name, len(probe), [one.name for one in probe.classes()]) == ("listed", 2, ["meadow", "car"])
    first, second = (one.load() for one in probe.images())
    assert [one.class_name for one in first.truth.segments] == ["meadow"]
    assert [one.class_name for one in second.truth.segments] == ["meadow", "car"]
    assert shown == {"meadow", "car"}


def test_a_photo_without_annotation_stays_as_it_is(kit):
    image = kit.picture()
    plain = Image(image.pixels, image.sha256, image.uri)
    (record,) = probe_source(kit.Source([plain], names=()), (), {}, set()).images()
    assert record.load() is plain


def test_whether_a_source_is_annotated_is_seen_from_its_first_readable_image(kit):
    image, bad = kit.picture(), DataError("a photo", "none", "copy it")
    plain = Image(image.pixels, image.sha256, image.uri)
    assert is_annotated(kit.Source([bad, image]))
    assert not is_annotated(kit.Source([plain, image]))  # labels of whole photos, say
    assert not is_annotated(kit.Source([image], names=()))
    with pytest.raises(DataError, match=r"readable photo to probe with; got none in listed, first item0: .*copy it"):
        is_annotated(kit.Source([bad]))
    with pytest.raises(DataError, match="got none in listed;"):
        is_annotated(kit.Source([]))
