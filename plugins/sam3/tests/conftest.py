"""A small random SAM 3 with a small tokenizer, in a folder."""

import json

import pytest
import torch
from transformers import CLIPTokenizer, Sam3Config, Sam3ImageProcessor, Sam3Model


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """CLIP's form with single letters: any word can be spelt."""
    folder = tmp_path_factory.mktemp("tokenizer")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["!", *letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="!")


@pytest.fixture(scope="session")
def folder(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("sam3")
    torch.manual_seed(0)
    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "window_size": 2, "global_attn_indexes": [1],
        "pretrain_image_size": 28,
    }  # fmt: skip
    vision = {
        "backbone_config": backbone, "fpn_hidden_size": 32, "scale_factors": [4.0, 2.0, 1.0, 0.5],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    text = {
        "model_type": "clip_text_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": 32, "projection_dim": 16,
        **ids,
    }  # fmt: skip
    small = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 32}
    config = Sam3Config(
        vision_config=vision, text_config=text, geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 4},
    )  # fmt: skip
    Sam3Model(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Sam3ImageProcessor(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder
