"""Keys: every one of FC-CLIP's has a place, none is lost, a stranger is named; and what is saved comes back."""

import json
from pathlib import Path

import pytest
import torch
from retclip_mask2former import HeadSettings
from retclip_mask2former.checkpoint import head_of, load_head, load_void, our_name, our_state, save_head, shape_of
from retclip_mask2former.head import MaskHead
from safetensors.torch import save_file

from retclip.errors import WeightsDamaged, WeightsMissing

FULL = Path(__file__).parents[3].parent / "shared" / "data" / "fcclip_parity" / "full_keys"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pixel_decoder.input_proj.2.1.bias", "pixel_decoder.input_projections.2.1.bias"),
        ("pixel_decoder.adapter_1.weight", "pixel_decoder.adapter_1.0.weight"),
        ("pixel_decoder.layer_1.norm.bias", "pixel_decoder.layer_1.1.bias"),
        ("pixel_decoder.transformer.encoder.layers.5.norm2.weight",
         "pixel_decoder.encoder.layers.5.final_layer_norm.weight"),
        ("predictor.transformer_ffn_layers.8.linear1.bias", "transformer.decoder.layers.8.fc1.bias"),
        ("predictor.mask_embed.layers.1.weight", "transformer.decoder.mask_predictor.mask_embedder.1.0.weight"),
        ("predictor._mask_pooling_proj.0.weight", "pooled_projection.0.weight"),
    ],
)  # fmt: skip
def test_a_key_has_its_place(theirs, ours):
    assert our_name(f"sem_seg_head.{theirs}") == ours


def test_what_is_not_the_head_s_is_left_to_others_and_a_stranger_is_named():
    assert our_name("backbone.clip_model.visual.conv1.weight") is None
    assert our_name("criterion.empty_weight") is None
    assert our_name("void_embedding.weight") == "void"
    with pytest.raises(WeightsDamaged, match=r"1 left over: sem_seg_head\.predictor\.new_layer"):
        our_name("sem_seg_head.predictor.new_layer.weight")


def test_a_packed_projection_is_cut_into_query_key_and_value():
    key = "sem_seg_head.predictor.transformer_self_attention_layers.0.self_attn.in_proj_bias"
    found = our_state({key: torch.arange(6)})
    start = "transformer.decoder.layers.0.self_attn"
    assert {name: value.tolist() for name, value in found.items()} == {
        f"{start}.q_proj.bias": [0, 1], f"{start}.k_proj.bias": [2, 3], f"{start}.v_proj.bias": [4, 5],
    }  # fmt: skip


def test_the_sizes_are_read_off_the_tensors(head):
    assert shape_of(head.state_dict()) == head.shape


def test_a_head_comes_back_as_it_was_saved(head, saved, features):
    again, terms = load_head(HeadSettings(weights=str(saved)))
    assert terms == ("sky", "car", "cars")
    levels = {name: level[None] for name, level in features().levels.items()}
    with torch.inference_mode():
        assert torch.equal(again(levels).masks[-1], head(levels).masks[-1])
    assert not any(one.requires_grad for one in again.parameters())


def test_a_missing_an_unknown_and_a_misshapen_tensor_are_told(head, tmp_path):
    state = dict(head.state_dict())
    del state["logit_scale"]
    state["more"] = torch.ones(1)
    state["class_layers.0.bias"] = torch.ones(3)
    told = r"1 missing: logit_scale; 1 left over: more; 1 of another shape: class_layers\.0\.bias"
    with pytest.raises(WeightsDamaged, match=told):
        head_of(state)
    with pytest.raises(WeightsDamaged, match=r"1 missing: pixel_decoder\.adapter_1"):
        head_of({"weight": torch.ones(1)})


@pytest.mark.parametrize("name", ["void", "logit_scale"])
def test_the_vector_of_no_object_is_finite_or_refused(name, head, tmp_path):
    path = tmp_path / "head.safetensors"
    save_file({**head.state_dict(), name: head.state_dict()[name] * float("inf")}, path)
    with pytest.raises(WeightsDamaged, match=f"1 with NaN or infinite numbers: {name}"):
        load_void(HeadSettings(weights=str(path)))


def test_files_that_are_none_are_told(tmp_path):
    with pytest.raises(WeightsMissing, match="fcclip_convnext_large"):
        load_head(HeadSettings(weights=str(tmp_path / "none.safetensors")))
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"no tensors at all")
    with pytest.raises(WeightsDamaged, match=r"bad\.safetensors"):
        load_head(HeadSettings(weights=str(path)))


def test_a_file_that_does_not_say_what_it_was_trained_on_says_nothing(head, tmp_path):
    path = tmp_path / "silent.safetensors"
    save_file({key: value.clone() for key, value in head.state_dict().items()}, path)
    assert load_head(HeadSettings(weights=str(path)))[1] == ()
    save_head(head, path, [])
    assert load_head(HeadSettings(weights=str(path)))[1] == ()


@pytest.mark.skipif(not FULL.is_dir(), reason="the key lists in ../shared are not here")
@pytest.mark.parametrize(
    ("name", "parameters"), [("convnext_large_d_320", 20_721_601), ("r50", None), ("r50x64", None)]
)
def test_the_full_size_checkpoints_map_completely(name, parameters):
    """Names and shapes of the original's models onto heads of random weights; the sum is method.md 2.1's 20.72 M."""
    listed = json.loads((FULL / f"keys_{name}.json").read_text())
    with torch.device("meta"):
        theirs = {key: torch.empty(one["shape"]) for key, one in listed["state_dict"].items()}
        ours = our_state(theirs)
        wanted = MaskHead(shape_of(ours)).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in wanted.items()}
    assert parameters in (None, sum(value.numel() for value in wanted.values()), listed["trainable"])
    left = [key for key in theirs if our_name(key) is None]
    assert all(key.startswith("backbone.clip_model.") or key == "criterion.empty_weight" for key in left)
