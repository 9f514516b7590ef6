"""Names to vectors: templates and means by hand, the file on the disk, what makes it invalid."""

import json

import open_clip
import pytest
import torch
import torch.nn.functional as F
from retclip_openclip import OpenClipSettings, text_threshold
from retclip_openclip.text import TEMPLATES, TextCache, check_names, encoded

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


def test_what_was_encoded_once_is_read_and_never_asked_again(tmp_path):
    asked = []

    def encode(names):
        asked.append(names)
        return torch.tensor([[float(len(name)), 1.0] for name in names])

    first = TextCache(tmp_path, "key").vectors(["sky", "car", "sky"], encode)
    again = TextCache(tmp_path, "key").vectors(["car", "tree", "sky"], encode)
    assert asked == [["sky", "car"], ["tree"]]
    assert first[:, 0].tolist() == [3, 3, 3]
    assert again[:, 0].tolist() == [3, 4, 3]
    TextCache(tmp_path, "another model").vectors(["sky"], encode)
    assert asked[-1] == ["sky"]


def test_a_damaged_file_is_made_anew(tmp_path):
    cache = TextCache(tmp_path, "key")
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"no tensors")
    assert cache.vectors(["sky"], lambda names: torch.ones(len(names), 2)).tolist() == [[1, 1]]
    assert TextCache(tmp_path, "key").vectors(["sky"], lambda _: torch.zeros(0)).tolist() == [[1, 1]]


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "text").write_text("a file where the folder would be")
    assert TextCache(tmp_path, "key").vectors(["sky"], lambda names: torch.ones(len(names), 2)).tolist() == [[1, 1]]


def test_the_cache_follows_templates_and_text_weights(built):
    one, plain = built("vit", cache_text=True), built("vit", cache_text=True, templates="plain")
    assert one.cache.path != plain.cache.path
    assert built("vit", cache_text=True).cache.path == one.cache.path
    assert built("vit", cache_text=True, dense="sclip").cache.path == one.cache.path  # the image side's own business


def test_the_vectors_are_openclip_s_encode_text(built):
    backbone = built("resnet", templates="plain")
    tokens = backbone.tokenizer(["a dog", "the sea"])
    with torch.inference_mode():
        wanted = backbone.model.encode_text(tokens, normalize=True)
        assert torch.allclose(backbone.text_vectors(["a dog", "the sea"]), wanted, atol=1e-6)
        assert backbone.text_vectors([]).shape == (0, 12)


LONG = "a very small dog " * 20  # 80 words, each of them a token


def test_names_that_the_model_would_cut_are_refused(built):
    backbone = built("resnet", cache_text=True)
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
