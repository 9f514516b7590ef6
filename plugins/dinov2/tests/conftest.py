"""A small random DINOv2 in a folder."""

import pytest
import torch
from transformers import (
    BitImageProcessor,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
)

SHAPE = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    "mlp_ratio": 2,
}  # fmt: skip


def saved(folder, model):
    model.eval().save_pretrained(folder)
    BitImageProcessor(do_center_crop=False, size={"shortest_edge": 28}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return saved(tmp_path_factory.mktemp("dinov2"), Dinov2Model(Dinov2Config(**SHAPE)))


@pytest.fixture(scope="session")
def registers(tmp_path_factory):
    torch.manual_seed(0)
    config = Dinov2WithRegistersConfig(**SHAPE, num_register_tokens=3)
    return saved(tmp_path_factory.mktemp("registers"), Dinov2WithRegistersModel(config))
