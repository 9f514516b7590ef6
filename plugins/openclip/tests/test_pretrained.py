"""Checkpoints: what comes from where, which files fit, and what is said of one that does not."""

import pytest
import torch
from retclip_openclip import OpenClipSettings, is_file, weights_of
from retclip_openclip.pretrained import listed_weights, model_with_weights, normalisation
from safetensors.torch import load_file, save_file

from retclip.errors import ConfigError, WeightsDamaged, WeightsMissing
from retclip.plugin.conformance.damaged_weights import check_refusals
from retclip.plugin.manager import PluginManager


@pytest.fixture
def saved(built, tmp_path):
    def state(family, **tensors):
        path = tmp_path / f"{family}.safetensors"
        kept = {key: value.clone() for key, value in built(family).model.state_dict().items()}
        save_file({**kept, **tensors}, path)
        return path

    return state


def test_a_file_is_told_from_a_tag():
    assert is_file("model.safetensors")
    assert is_file("weights/model")
    assert not is_file("laion2b_s29b_b131k_ft_soup")


def test_a_file_of_one_s_own_or_random_weights_need_no_download():
    for pretrained in ("random", "mine.safetensors"):
        assert weights_of(OpenClipSettings(model="ViT-B-32", pretrained=pretrained)) == ()


def test_any_tag_of_openclip_s_list_has_a_place():
    found = listed_weights("ViT-B-32", "laion2b_s34b_b79k")
    assert found.name == "openclip_ViT-B-32_laion2b_s34b_b79k"
    assert found.files[0].url.startswith("https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/")


def test_an_unknown_tag_or_architecture_is_met_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"nope.*laion2b_s34b_b79k"):
        weights_of(OpenClipSettings(model="ViT-B-32", pretrained="nope"))
    with pytest.raises(ConfigError, match="ViT-Z-9"):
        model_with_weights(OpenClipSettings(model="ViT-Z-9", pretrained="random"))


def test_the_weights_of_a_file_are_the_model_s(given, saved):
    path = saved("vit")
    changed = {key: value + 1 for key, value in load_file(path).items()}
    save_file(changed, path)
    model = model_with_weights(OpenClipSettings(**given("vit", pretrained=str(path))))
    assert all(torch.equal(value, changed[key]) for key, value in model.state_dict().items())
    assert not any(one.requires_grad for one in model.parameters())


def test_an_fcclip_checkpoint_holds_the_model_below_its_prefix(given, saved, tmp_path):
    state = {f"backbone.clip_model.{key}": value for key, value in load_file(saved("convnext")).items()}
    path = tmp_path / "fcclip.safetensors"
    save_file({**state, "sem_seg_head.x": torch.ones(1)}, path)
    model = model_with_weights(OpenClipSettings(**given("convnext", pretrained=str(path))))
    key = "visual.trunk.stem.0.weight"
    assert torch.equal(model.state_dict()[key], state[f"backbone.clip_model.{key}"])


def test_tensors_of_another_architecture_are_refused_with_an_example(given, saved):
    path = saved("resnet", strange=torch.ones(1))
    with pytest.raises(WeightsDamaged, match=r"resnet\.safetensors as resnet.*got 1 left over: strange;"):
        model_with_weights(OpenClipSettings(**given("resnet", pretrained=str(path))))
    with pytest.raises(WeightsDamaged, match=r"missing: visual\."):
        model_with_weights(OpenClipSettings(**given("vit", pretrained=str(path))))


@pytest.mark.parametrize("family", ["vit", "convnext", "resnet"])
def test_weights_that_are_not_whole_are_refused_by_name(family, given, saved, tmp_path):
    settings, info = given(family), PluginManager.discover().find("backbone", "openclip.model")
    found = check_refusals(info, "pretrained", saved(family), tmp_path / "damaged", settings)
    assert [one for one in found if one.ok is not True] == []


def test_what_openai_keeps_among_the_tensors_is_passed_over(given, saved):
    path = saved("vit", input_resolution=torch.tensor(32), vocab_size=torch.tensor(100))
    assert model_with_weights(OpenClipSettings(**given("vit", pretrained=str(path))))


def test_a_missing_or_damaged_file_is_named(given, tmp_path):
    path = tmp_path / "none.safetensors"
    with pytest.raises(WeightsMissing, match=r"none\.safetensors.*retclip weights import"):
        model_with_weights(OpenClipSettings(**given("vit", pretrained=str(path))))
    path.write_bytes(b"\x00" * 20)
    with pytest.raises(WeightsDamaged, match=r"none\.safetensors"):
        model_with_weights(OpenClipSettings(**given("vit", pretrained=str(path))))


@pytest.mark.parametrize("text", ["{", "{}", '{"vision_cfg": 3}'])
def test_a_config_that_is_none_is_named(text, given, tmp_path):
    settings = given("vit")
    (tmp_path / "vit.json").write_text(text)
    with pytest.raises(ConfigError, match=r"vit\.json"):
        model_with_weights(OpenClipSettings(**settings))


def test_random_weights_are_the_same_tomorrow(built):
    assert built("vit").space.id == built("vit").space.id
    assert built("vit").space.id != built("vit", dense="sclip").space.id


def test_mean_and_deviation_are_the_tag_s(given):
    mean, std = normalisation(OpenClipSettings(**given("vit")))
    assert mean.tolist() == pytest.approx([122.7709383, 116.7460125, 104.09373615])  # method.md 1.1
    assert std.tolist() == pytest.approx([68.5005327, 66.6321579, 70.32316305])
    inception, _ = normalisation(OpenClipSettings(model="ViT-B-16-SigLIP", pretrained="webli"))
    assert inception.tolist() == [127.5] * 3
