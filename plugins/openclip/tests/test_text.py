"""Names to vectors: templates and means by hand, OpenCLIP's own numbers, names that are too long."""

import json

import open_clip
import pytest
import torch
import torch.nn.functional as F
from retclip_openclip import OpenClipSettings, text_threshold
from retclip_openclip.text import TEMPLATES, check_names, encoded

from retclip.errors import NamesTooLong


def test_the_templates_are_fourteen_and_name_what_they_are_given():
    assert len(set(TEMPLATES["vild"])) == 14
    assert all(one.count("{}") == 1 for one in TEMPLATES["vild"])
    assert TEMPLATES["vild"][6].format("car") == "a photo of a medium car."


def test_unit_length_then_the_mean_over_the_templates_then_unit_length():
    table = {"a x": [3.0, 0.0], "the x": [0.0, 1.0], "a y": [0.0, 2.0], "the y": [0.0, 5.0]}
    found = encoded(["x", "y"], ("a {}", "the {}"), lambda some: torch.tensor([table[one] for one in some]))
    assert found[0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5])  # not pulled towards the longer one
    assert found[1].tolist() == [0.0, 1.0]


def test_more_sentences_than_a_batch_come_in_order():
    sizes = []

    def encode(some):
        sizes.append(len(some))
        return F.one_hot(torch.tensor([int(one) for one in some]), 300).float()

    found = encoded([str(n) for n in range(300)], ("{}",), encode)
    assert found.argmax(dim=1).tolist() == list(range(300))
    assert sizes == [128, 128, 44]


def test_the_vectors_are_openclip_s_encode_text(built):
    backbone = built("resnet", templates="plain")
    tokens = backbone.tokenizer(["a dog", "the sea"])
    with torch.inference_mode():
        wanted = backbone.model.encode_text(tokens, normalize=True)
        assert torch.allclose(backbone.text_vectors(["a dog", "the sea"]), wanted, atol=1e-6)
        assert backbone.text_vectors([]).shape == (0, 12)


LONG = "a very small dog " * 20  # 80 words, each of them a token


def test_names_that_the_model_would_cut_are_refused(built):
    backbone = built("resnet")
    for ending in ("left", "right"):
        with pytest.raises(NamesTooLong, match="at most 77 tokens for resnet"):
            backbone.text_vectors(["dog", f"{LONG} {ending}"])
    assert backbone.text_vectors(["dog"]).shape == (1, 12)


def test_the_longest_template_decides_to_the_token():
    tokenizer = open_clip.SimpleTokenizer(context_length=16)
    check_names(["dog " * 7], ["{}", "a photo of a {} in the scene"], tokenizer, "m")  # 2 + 7 + 7
    with pytest.raises(NamesTooLong, match="with 17 tokens"):
        check_names(["cat", "dog " * 8], ["{}", "a photo of a {} in the scene"], tokenizer, "m")


def test_letters_of_scripts_that_take_many_tokens_are_counted_as_such():
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    with pytest.raises(NamesTooLong):
        check_names(["हिन्दी " * 16], TEMPLATES["vild"], tokenizer, "m")  # 112 characters


@pytest.mark.parametrize(("width", "threshold"), [(48, None), (511, None), (512, 0.95), (768, 0.95), ("768", None)])
def test_names_match_by_text_where_the_tower_is_of_clip_s_size(tmp_path, width, threshold):
    config = tmp_path / "clip.json"
    config.write_text(json.dumps({"text_cfg": {"width": width}}))
    assert text_threshold(OpenClipSettings(model="mine", pretrained="random", config=str(config))) == threshold


def test_a_config_that_says_nothing_of_its_tower_gives_no_threshold(tmp_path):
    for number, text in enumerate(("{}", "no JSON", '{"text_cfg": 3}')):
        config = tmp_path / f"{number}.json"
        config.write_text(text)
        assert text_threshold(OpenClipSettings(model="mine", pretrained="random", config=str(config))) is None
    gone = OpenClipSettings(model="mine", pretrained="random", config=str(tmp_path / "none.json"))
    absent = OpenClipSettings(model="mine", pretrained="random", config="package:no_such_package/clip.json")
    assert (text_threshold(gone), text_threshold(absent)) == (None, None)
    assert text_threshold(OpenClipSettings(model="ViT-B-32", pretrained="random")) == 0.95
