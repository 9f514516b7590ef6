"""Photos of which somebody said what they show: names in the classes' order, a digest of the names alone."""

import numpy as np
from PIL import Image as Pillow

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.named_images import NamedImage, NamedImages
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
