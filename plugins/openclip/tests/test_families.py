"""The three dense paths on tiny models: against the definitions (method.md 1.3, 4.1) and against OpenCLIP itself."""

import pytest
import torch
import torch.nn.functional as F
from retclip_openclip.vit import window

FULL = torch.ones(1, 4, 4)


def own_vector(backbone, image):
    """What OpenCLIP says of the whole image, unit length."""
    batch = backbone._input(image)[0][None]
    with torch.inference_mode():
        return F.normalize(backbone.model.encode_image(batch), dim=-1)


def vectors(backbone, image, masks):
    with torch.inference_mode():
        return backbone.segment_vectors(backbone.dense_features([image])[0], masks)


@pytest.mark.parametrize("family", ["convnext", "resnet"])
def test_a_mask_over_everything_gives_the_image_vector_of_openclip(family, built, photo):
    backbone, image = built(family), photo(64, 64)
    found = vectors(backbone, image, FULL)
    assert torch.allclose(found.vectors, own_vector(backbone, image), atol=1e-5)


def test_fcclip_s_rule_on_a_resnet_leaves_out_the_mean_token(built, photo):
    """By hand: one query, the mean of all cells; keys and values are the allowed cells alone."""
    backbone, image = built("resnet", pooling="fcclip"), photo(64, 96)
    features = backbone.dense_features([image])[0]
    masks = torch.zeros(1, 2, 3)
    masks[0, :, 0] = masks[0, 1, 1] = 1.0  # cells 0, 3 and 4 of 2 x 3
    pool = backbone.model.visual.attnpool
    with torch.inference_mode():
        table = pool.positional_embedding
        places = F.interpolate(table[1:].T.reshape(1, -1, 2, 2), size=(2, 3), mode="bilinear")[0].flatten(1).T
        cells = features.grid.flatten(1).T
        tokens = cells + places
        query = pool.q_proj(cells.mean(0) + table[0])
        keys, values = pool.k_proj(tokens[[0, 3, 4]]), pool.v_proj(tokens[[0, 3, 4]])
        heads = []
        for head in range(pool.num_heads):
            width = len(query) // pool.num_heads
            part = slice(head * width, (head + 1) * width)
            attention = (keys[:, part] @ query[part] / width**0.5).softmax(0)
            heads.append(attention @ values[:, part])
        wanted = F.normalize(pool.c_proj(torch.cat(heads)), dim=0)
        found = backbone.segment_vectors(features, masks)
    assert torch.allclose(found.vectors[0], wanted, atol=1e-5)


def test_a_soft_share_on_a_resnet_lies_between_none_and_all(built, photo):
    """A cell's attention is multiplied by its share: with share 0 it is not there, with 1 it is a cell as any other."""
    backbone, image = built("resnet"), photo(64, 64)
    grid = backbone.dense_features([image])[0].grid
    with torch.inference_mode():
        shares = torch.tensor([[[1.0, 1.0], [1.0, share]] for share in (0.0, 1e-6, 0.5, 1.0)])
        without, nearly, half, whole = backbone.tower.pooled(grid, shares, False)
    assert torch.allclose(without, nearly, atol=1e-4)
    assert not torch.allclose(half, whole, atol=1e-4)
    assert not torch.allclose(half, without, atol=1e-4)


def last_block_by_hand(visual, x, variant, rows, columns):
    """method.md 4.1, head by head."""
    block = visual.transformer.resblocks[-1]
    attention, y = block.attn, block.ln_1(x)
    width = x.shape[-1]
    parts = zip(attention.in_proj_weight.split(width), attention.in_proj_bias.split(width), strict=True)
    q, k, v = (y @ weight.T + bias for weight, bias in parts)
    size = width // attention.num_heads
    joined = []
    for head in range(attention.num_heads):
        a, b, c = (one[..., head * size : (head + 1) * size] for one in (q, k, v))
        qq, kk = (one @ one.transpose(1, 2) / size**0.5 for one in (a, b))
        weights = {
            "maskclip": torch.eye(x.shape[1])[None],
            "clearclip": qq.softmax(-1),
            "naclip": (kk + window(rows, columns)).softmax(-1),
            "sclip": qq.softmax(-1) + kk.softmax(-1),
        }[variant]
        joined.append(weights @ c)
    out = torch.cat(joined, -1) @ attention.out_proj.weight.T + attention.out_proj.bias
    if variant in ("clearclip", "naclip"):
        return out
    x = x + out
    return x + block.mlp(block.ln_2(x))


@pytest.mark.parametrize("variant", ["clearclip", "maskclip", "sclip", "naclip"])
def test_a_vit_s_vector_is_what_the_definition_says(variant, built, photo):
    """An image of the model's own size and a mask over everything: the mean of the projected patches, unit length."""
    backbone, image = built("vit", dense=variant), photo(32, 32)
    visual = backbone.model.visual
    with torch.inference_mode():
        x = visual._embeds(backbone._input(image)[0][None])
        for block in visual.transformer.resblocks[:-1]:
            x = block(x)
        x = last_block_by_hand(visual, x, variant, 4, 4)
        patches = (visual.ln_post(x) @ visual.proj)[0, 1:]
    wanted = F.normalize(patches.mean(0), dim=0)
    assert torch.allclose(vectors(backbone, image, FULL).vectors[0], wanted, atol=1e-5)


def test_the_vanilla_patches_are_openclip_s_own(built, photo):
    backbone, image = built("vit", dense="vanilla"), photo(32, 32)
    visual = backbone.model.visual
    visual.output_tokens = True
    with torch.inference_mode():
        _, tokens = visual(backbone._input(image)[0][None])
        wanted = tokens[0] @ visual.proj
        found = backbone.dense_features([image])[0].grid.flatten(1).T
    assert torch.allclose(found, wanted, atol=1e-5)


def test_other_sizes_have_their_positions_interpolated(built, photo):
    """On the native grid the table as it is; on a larger one OpenCLIP's own resize of a checkpoint, same numbers."""
    from open_clip.model import resize_pos_embed

    backbone = built("vit")
    native = backbone.model.visual.positional_embedding
    assert torch.equal(backbone.tower._positions(4, 4), native)
    state = {"visual.positional_embedding": native.detach().clone()}
    larger = built("vit", short_side=48)
    larger.model.visual.grid_size = (6, 6)
    resize_pos_embed(state, larger.model)
    assert torch.allclose(backbone.tower._positions(6, 6), state["visual.positional_embedding"], atol=1e-6)
    assert backbone.dense_features([photo(32, 64)])[0].grid.shape[1:] == (4, 8)


def test_the_window_is_one_at_the_patch_and_zero_for_the_class_token():
    found = window(1, 3, std=1.0)
    assert found[0].abs().sum() == found[:, 0].abs().sum() == 0
    assert found[1, 1:].tolist() == pytest.approx([1.0, 0.6065307, 0.1353353])  # exp(0), exp(-1/2), exp(-2)


@pytest.mark.parametrize("family", ["convnext", "resnet"])
def test_levels_are_the_four_stages_on_the_padded_frame(family, built, photo):
    features = built(family).dense_features([photo(64, 80)])[0]  # 80 is padded to 96
    assert {key: level.shape[1:] for key, level in features.levels.items()} == {
        "res2": (16, 24), "res3": (8, 12), "res4": (4, 6), "res5": (2, 3),
    }  # fmt: skip
    assert features.extent == (1.0, pytest.approx(80 / 96))
    assert features.stride == 32.0


def test_a_mask_between_the_cells_falls_back_to_the_share_it_covers(built, photo):
    """FC-CLIP's rule loses a small mask; it gets the vector of the cell that it lies in, not none."""
    backbone, image = built("convnext", pooling="fcclip_or_area"), photo(64, 64)
    masks = torch.zeros(2, 64, 64)
    masks[0, 2:6, 2:6] = 1.0  # between the samples of a grid of stride 32
    masks[1, :32, :32] = 1.0  # the first cell
    found = vectors(backbone, image, masks)
    assert found.covered.tolist() == [True, True]
    assert torch.allclose(found.vectors[0], found.vectors[1], atol=1e-5)
    alone = vectors(built("convnext", pooling="fcclip"), image, masks)
    assert alone.covered.tolist() == [False, True]
    assert torch.isfinite(alone.vectors).all()


@pytest.mark.parametrize("family", ["vit", "convnext", "resnet"])
def test_half_precision_comes_near(family, given, photo):
    """As the core calls it with device.dtype = bfloat16: vectors in float32, close to those of float32 throughout."""
    from retclip.device import inference
    from retclip.plugin.manager import PluginManager
    from retclip.types import Device

    found = []
    for dtype in ("float32", "bfloat16"):
        device = Device(dtype=dtype, batch_size=2)
        backbone = PluginManager.discover().load("backbone", "openclip.model", given(family), device)
        with inference(device):
            features = backbone.dense_features([photo(64, 64), photo(64, 64, 1)])
            found.append(backbone.segment_vectors(features[1], FULL).vectors)
            assert torch.isfinite(backbone.text_vectors(["sky"])).all()
    assert found[1].dtype == torch.float32
    assert float((found[0] * found[1]).sum()) > 0.99  # cosine
