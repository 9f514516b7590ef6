"""Device and precision: chosen in one place, refused where they are not there, and no gradients during inference."""

import pytest
import torch

from retclip.config_sections import DeviceSection
from retclip.device import choose, inference
from retclip.errors import ConfigError
from retclip.types import Device


def test_auto_takes_the_cpu_in_full_precision_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose(DeviceSection(batch_size=3)) == Device("cpu", "float32", 3)


@pytest.mark.gpu
def test_auto_takes_cuda_where_there_is_one():
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    found = choose(DeviceSection())
    assert found.torch_device.startswith("cuda")
    assert found.dtype == ("bfloat16" if torch.cuda.is_bf16_supported() else "float32")


@pytest.mark.parametrize("name", ["cuda:99", "no-such-device", "cpu:x", ""])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(ConfigError, match=f"'{name}'.*set device.name = 'cpu'"):
        choose(DeviceSection(name=name))


def test_a_roles_own_device_comes_before_the_common_one():
    section = DeviceSection(name="cpu", backbone="cuda:99")
    assert choose(section, "proposer").torch_device == "cpu"
    assert choose(section, "classifier").torch_device == "cpu"
    with pytest.raises(ConfigError, match="cuda:99"):
        choose(section, "backbone")
    assert choose(DeviceSection(name="cuda:99", proposer="cpu"), "proposer").torch_device == "cpu"


def test_the_precision_is_the_one_set():
    assert choose(DeviceSection(name="cpu", dtype="bfloat16")).dtype == "bfloat16"
    assert choose(DeviceSection(name="cpu")).dtype == "float32"
    with pytest.raises(ValueError, match="dtype"):
        DeviceSection(dtype="int8")


def test_no_gradient_is_kept_inside_and_the_mode_ends_with_the_block():
    weight = torch.ones(2, requires_grad=True)
    with inference(Device()):
        inside = weight * 2
    assert not inside.requires_grad
    assert inside.is_inference()
    assert (weight * 2).requires_grad


@pytest.mark.parametrize(("dtype", "wanted"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_matrix_products_run_in_the_chosen_precision(dtype, wanted):
    one = torch.ones(2, 2)
    with inference(Device(dtype=dtype)):
        assert (one @ one).dtype == wanted
    assert (one @ one).dtype == torch.float32


def test_the_mode_ends_when_the_model_fails():
    with pytest.raises(RuntimeError, match="model"), inference(Device(dtype="bfloat16")):
        raise RuntimeError("model")
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_the_number_of_threads_is_the_one_set_and_else_left_alone():
    before = torch.get_num_threads()
    try:
        choose(DeviceSection(name="cpu", threads=3))
        assert torch.get_num_threads() == 3
        choose(DeviceSection(name="cpu"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
