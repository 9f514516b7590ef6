"""Photos of which somebody said what they show: names in the classes' order, a digest of the names alone."""

import hashlib

import numpy as np
from PIL import Image as Pillow

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.readers.text import named_images
from retclip.data.readers.text.named_images import NamedImage, NamedImages
from retclip.plugin.contracts import SourceClass


def test_names_come_in_the_order_of_the_classes_and_decide_the_digest(tmp_path):
    Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    known = [SourceClass("owl"), SourceClass("fox")]

    def first(*names, **settings):
        images = [NamedImage("a", tmp_path / "a.png", names)]
        return next(NamedImages("x", known, images, AnnotatedSettings(path="x", **settings)).images())

    assert first("fox", "owl").class_names == ("owl", "fox")
    assert first("fox", "owl").annotation_digest == first("owl", "fox").annotation_digest
    assert first("fox").annotation_digest != first("owl").annotation_digest
    assert first("fox", "owl", only="fox").class_names == ("fox",)
    assert first("fox").load().truth is None and first("fox").file_digest() == first("fox").load().sha256
    assert first("fox", "owl").annotation_digest == hashlib.sha256(b"owl\nfox").hexdigest()  # of finished work


def test_a_name_that_is_no_unicode_has_a_digest(tmp_path):
    name = b"caf\xe9".decode(errors="surrogateescape")
    images = [NamedImage("a", tmp_path / "a.png", (name,))]
    (found,) = NamedImages("x", [SourceClass(name)], images, AnnotatedSettings(path="x")).images()
    assert found.annotation_digest == hashlib.sha256(b"caf\xe9").hexdigest()


def test_a_walk_does_not_go_through_all_classes_for_every_photo(tmp_path, monkeypatch):
    passes = []

    class Counted(tuple):
        def __iter__(self):
            passes.append(1)
            return super().__iter__()

    monkeypatch.setattr(named_images, "chosen", lambda known, settings: Counted(known))
    images = [NamedImage(str(number), tmp_path / "a.png", ("fox", "owl")) for number in range(5)]
    source = NamedImages("x", [SourceClass("owl"), SourceClass("fox")], images, AnnotatedSettings(path="x"))
    passes.clear()
    assert [one.class_names for one in source.images()] == [("owl", "fox")] * 5 and passes == []
