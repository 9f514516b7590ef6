"""A small random SAM 2 in a folder."""

import pytest
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam2")
    torch.manual_seed(0)
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1, "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64], "global_attention_blocks": [3],
        "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 4, 4, 4],
        "window_positional_embedding_background_size": [4, 4],
    }  # fmt: skip
    vision = {
        "backbone_config": backbone, "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 4, "iou_head_hidden_dim": 16}
    model = Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    for one in model.parameters():
        torch.nn.init.normal_(one, std=0.3) if one.dim() > 1 else None
    model.eval().save_pretrained(folder)
    Sam2ImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
