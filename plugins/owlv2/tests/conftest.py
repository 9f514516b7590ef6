"""A small random OWLv2 with a small tokenizer, in a folder."""

import json

import pytest
import torch
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor


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
    folder = tmp_path_factory.mktemp("owlv2")
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    text = {**shape, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 32}
    vision = {**shape, "image_size": 64, "patch_size": 16}
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=16))
    for one in model.parameters():
        torch.nn.init.normal_(one, std=0.3) if one.dim() > 1 else None
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Owlv2ImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
