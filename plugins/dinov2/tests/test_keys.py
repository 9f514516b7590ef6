"""Keys: the patches that the model itself gives, averaged over masks."""

import pytest
import torch
from retclip_dinov2 import KeysSettings
from retclip_dinov2.keys import Keys, network_input
from transformers import AutoImageProcessor, AutoModel, BitImageProcessor

from retclip.types import Device


def keys(folder, **more):
    return Keys(KeysSettings(model=str(folder), **{"short_side": 28, "long_side": 56, **more}), Device())


@pytest.mark.parametrize("which", ["folder", "registers"])
def test_the_grid_is_the_model_s_last_layer_without_its_other_tokens(which, request, photo):
    folder, image = request.getfixturevalue(which), photo(28, 42)
    with torch.inference_mode():
        found = keys(folder).dense_features([image])[0].grid
        model = AutoModel.from_pretrained(folder).eval()
        tokens = model(network_input(image.pixels, (28, 42))[None]).last_hidden_state[0, -6:]
    assert found.shape == (16, 2, 3)
    assert torch.allclose(found.flatten(1).T, tokens, atol=1e-5)


def test_a_mask_over_one_cell_is_that_patch(folder, photo):
    backbone = keys(folder)
    with torch.inference_mode():
        features = backbone.dense_features([photo(28, 28)])[0]
        masks = torch.zeros(2, 2, 2)
        masks[0, 1, 0] = 1
        masks[1] = 1
        found = backbone.segment_vectors(features, masks)
    cell, mean = features.grid[:, 1, 0], features.grid.flatten(1).mean(1)
    assert torch.allclose(found.vectors[0], cell / cell.norm(), atol=1e-5)
    assert torch.allclose(found.vectors[1], mean / mean.norm(), atol=1e-5)


def test_numbers_of_the_photo_are_those_of_the_model_s_own_processor(folder, photo):
    """On the size that needs no resize: what is left is ImageNet's mean and deviation."""
    image = photo(28, 28)
    processor = AutoImageProcessor.from_pretrained(folder)
    given = {"return_tensors": "pt", "input_data_format": "channels_last"}
    mean_and_std = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}  # as DINOv2 publishes them
    wanted = processor(images=image.pixels, **given, **mean_and_std)["pixel_values"][0]
    assert torch.allclose(network_input(image.pixels, (28, 28)), wanted, atol=1e-4)


def test_a_photo_is_resized_as_by_the_model_s_own_processor(photo):
    """To one step of 8 bits, 1 / (255 * 0.224): both round after the resize, each in its own way."""
    image = photo(50, 75)
    mean_and_std = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    processor = BitImageProcessor(do_center_crop=False, size={"height": 28, "width": 42}, **mean_and_std)
    wanted = processor(images=image.pixels, return_tensors="pt", input_data_format="channels_last")["pixel_values"][0]
    assert torch.allclose(network_input(image.pixels, (28, 42)), wanted, atol=1.01 / (255 * 0.224))


def test_photos_of_one_size_go_through_the_model_together(folder, photo):
    images = [photo(28, 42, 0), photo(42, 28, 1), photo(28, 42, 2), photo(28, 42, 3)]
    backbone = Keys(KeysSettings(model=str(folder), short_side=28, long_side=56), Device(batch_size=2))
    seen = []
    backbone.model.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    with torch.inference_mode():
        together = backbone.dense_features(images)
        alone = [keys(folder).dense_features([image])[0] for image in images]
    assert seen == [(2, 3, 28, 42), (1, 3, 28, 42), (1, 3, 42, 28)]
    for one, other in zip(together, alone, strict=True):
        assert one.image_size == other.image_size
        assert torch.allclose(one.grid, other.grid, atol=1e-5)
    assert backbone.dense_features([]) == []


def test_sides_are_whole_patches_within_their_limits(folder, photo):
    backbone = keys(folder)
    with torch.inference_mode():
        shapes = [tuple(one.grid.shape[1:]) for one in backbone.dense_features([photo(50, 75), photo(10, 400)])]
    assert shapes == [(2, 3), (1, 4)]


def test_the_space_follows_weights_and_sizes(folder, registers):
    spaces = {keys(folder).space.id, keys(folder, short_side=42).space.id, keys(registers).space.id}
    assert len(spaces) == 3
    assert keys(folder).space.id in spaces
    assert keys(folder).text_vectors(["sky"]) is None
