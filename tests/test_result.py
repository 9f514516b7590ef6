"""A result: short as text, shown as a picture, saved with the pictures that are asked for."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from retclip.data import viewer
from retclip.types import Image as Photo


def test_it_is_short_as_text_and_says_what_was_found(result):
    said = repr(result)
    assert said.startswith("<SegmentationResult of train_0_0000.png, 96 x 64 pixels: ")
    assert "sky 4" in said and said.endswith("labelled>")
    assert len(said) < 250 and "array" not in said
    nameless = replace(result, image=replace(result.image, uri=""))
    assert f"of {result.image.sha256[:12]}," in repr(nameless)


@pytest.mark.parametrize("part", ["image", "evidence", "panoptic"])
def test_its_parts_are_short_as_text(result, part):
    said = repr(getattr(result, part))
    assert len(said) < 250 and "array(" not in said and "tensor(" not in said


def test_the_overlay_has_the_photo_s_size_without_its_legend(result):
    whole, plain = result.overlay(), result.overlay(legend=False)
    assert plain.shape == result.image.pixels.shape
    assert whole.shape[0] > plain.shape[0] and (whole[: plain.shape[0]] == plain).all()
    assert (result.overlay(alpha=1.0) != whole).any()


@pytest.mark.parametrize(("overlays", "folders"), [
    ("none", set()), ("plain", {"overlay_plain"}), ("legend", {"overlay"}), ("both", {"overlay", "overlay_plain"}),
])  # fmt: skip
def test_it_is_saved_with_the_pictures_that_are_asked_for(result, tmp_path, overlays, folders):
    result.save(tmp_path, "scene", overlays=overlays)
    there = {one.name for one in tmp_path.iterdir() if one.name.startswith("overlay")}
    assert there == folders
    for folder in folders:
        wanted = result.overlay(legend=folder == "overlay")
        assert (np.asarray(Image.open(tmp_path / folder / "scene.png")) == wanted).all()
    assert {"panoptic.json", "panoptic", "scene.evidence.npz"} <= {one.name for one in tmp_path.iterdir()}


def test_notebooks_and_viewers_get_the_overlay(result, monkeypatch):
    assert result._repr_png_().startswith(b"\x89PNG")
    assert result._repr_html_().lstrip().startswith("<div")
    shown = []
    monkeypatch.setattr(viewer.ImageShow, "show", lambda image, title: shown.append(np.asarray(image)) or True)
    result.show()
    assert (shown[0] == result.overlay()).all()


def test_its_explanations_have_a_picture_even_of_a_photo_that_is_no_file(memory, scene, tmp_path):
    loose = memory.segment(Photo(scene.pixels, scene.sha256, "PIL image", truth=scene.truth))
    first = loose.segments[0]
    y, x = np.argwhere(loose.label_map == first.id)[0].tolist()
    for why in (loose.explain(first), loose.explain_at(x, y)):
        saved = why.save(tmp_path / "why.png")
        assert Image.open(saved).size[0] > 1000
        assert why._repr_png_().startswith(b"\x89PNG")
