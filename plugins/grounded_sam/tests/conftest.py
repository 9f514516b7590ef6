"""A small random Grounding DINO with a small vocabulary, and a small random SAM, both as files."""

from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from transformers import (
    BertConfig,
    BertTokenizerFast,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    SwinConfig,
)  # fmt: skip

WORDS = ["sky", "car", "traffic", "light", "fire", "hyd", "##rant", "a", "b", "c", "##a", "##b", "##c"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "-", "(", ")", "'", "/", "&", ","]
LETTERS = [chr(code) for code in range(ord("d"), ord("z") + 1)] + list("0123456789")


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory):
    """BERT's form: a token a line; single letters, so that any word can be spelt."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    tokens = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    path.write_text("\n".join(dict.fromkeys(tokens)) + "\n")
    return path


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory, vocabulary_file):
    folder = tmp_path_factory.mktemp("grounding_dino")
    tokenizer = BertTokenizerFast(str(vocabulary_file), do_lower_case=True)
    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    bert = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=256,
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=32, encoder_layers=1, decoder_layers=2, num_queries=20,
        encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=4, decoder_attention_heads=4,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 107}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sam():
    torch.manual_seed(1)
    encoder = ImageEncoderViT(
        img_size=64, patch_size=16, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2.0, out_chans=16, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, global_attn_indexes=(1,), window_size=2,
    )  # fmt: skip
    decoder = MaskDecoder(
        transformer_dim=16, transformer=TwoWayTransformer(2, 16, 8, 24), num_multimask_outputs=3, iou_head_depth=3,
        iou_head_hidden_dim=12,
    )  # fmt: skip
    prompt = PromptEncoder(embed_dim=16, image_embedding_size=(4, 4), input_image_size=(64, 64), mask_in_chans=4)
    model = Sam(encoder, prompt, decoder, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    for one in model.parameters():
        torch.nn.init.normal_(one, std=0.3) if one.dim() > 1 else None
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def sam_file(tmp_path_factory, sam):
    path = tmp_path_factory.mktemp("sam") / "sam.safetensors"
    save_file({key: value.clone().contiguous() for key, value in sam.state_dict().items()}, path)
    return path
