"""The training-free path whole, with small random models: photos and names to a store, and photos to labels by it."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image as Pillow

import retclip

pytest.importorskip("retclip_openclip", reason="needs plugins/openclip")
VIT = {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture
def memory(detector_folder, sam_file, tmp_path):
    config = tmp_path / "vit.json"
    config.write_text(json.dumps({"embed_dim": 12, "vision_cfg": VIT, "text_cfg": TEXT}))
    clip = {"pretrained": "random", "model": "vit", "config": str(config), "short_side": 32, "long_side": 64}
    boxes = {"detector": str(detector_folder), "sam": str(sam_file), "box_threshold": 0.05}
    plugins = {"openclip": {"vit_l_14": clip}, "grounded_sam": {"boxes": boxes}}
    settings = {"preset": "retclip-training-free", "plugin": plugins}
    with retclip.open(tmp_path / "store", settings=settings, create=True) as opened:
        yield opened


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(2):
        pixels = np.random.default_rng(n).integers(0, 256, (40, 60, 3)).astype(np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{n}.png")
    return folder


def test_a_class_is_added_from_photos_and_then_votes(memory, photos):
    (report,) = memory.classes.add("car", photos).runs
    assert report.segments > 0
    assert not report.failures
    (stored,) = memory.classes.list()
    assert (stored.name, stored.segments) == ("car", report.segments)
    result = memory.segment(photos / "0.png", ["car", "traffic light"])
    evidence = result.evidence
    assert [str(one.role) for one in evidence.scores] == ["retrieval", "clip"]
    assert evidence.scores[0].knows.tolist() == [True, False]
    assert float(evidence.neighbours.distances[:, 0].min()) < 1e-2  # the photo's own segments are in the store


def test_a_stored_segment_says_how_sure_each_model_was_and_which_files_made_it(
    memory, photos, detector_folder, sam_file
):
    memory.classes.add("car", photos)
    result = memory.segment(photos / "0.png", ["car"])
    near = [one.stored for segment in result.segments for one in result.explain(segment).neighbours]
    assert near
    for one in near:
        assert one.score == pytest.approx(one.detector_score * one.mask_score, abs=1e-6)
        assert 0.05 <= one.detector_score <= 1 and 0 <= one.mask_score <= 1 and one.prompt == "car"
        files = one.components["proposer"]["weights"]
        for path in (detector_folder / "model.safetensors", detector_folder / "config.json", sam_file):
            assert files[f"{path.parent.name}/{path.name}"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_classes_that_the_detector_never_finds_score_nothing(memory, photos):
    """Every mask was prompted; what no prompt found cannot be there (paper, section 2.2)."""
    memory.classes.add("car", photos)
    names = ["car", "traffic light", "sky", "a b c"]
    evidence = memory.segment(photos / "0.png", names).evidence
    proposals = memory.session.segmenter().proposer.component
    found = set(proposals.propose([memory_image(photos)], evidence.vocabulary, [])[0].prompts)
    for n, name in enumerate(names):
        assert bool(evidence.combined[:, n].any()) == (name in found)


def memory_image(photos):
    from retclip.data.images import read_image

    return read_image(photos / "0.png")
