"""The head in training: it learns what it is shown, saves what is read again, and says what does not fit."""

import pytest
import torch
from retclip_mask2former import HeadSizes, LossSettings, QueriesSettings
from retclip_mask2former.head import POINTS, MaskHead
from retclip_mask2former.initialisation import initialise
from retclip_mask2former.queries import MaskQueries
from retclip_mask2former.trainable import TrainableQueries, on_frame

from retclip.errors import ConfigError, DataError
from retclip.plugin.training import MaskTargets
from retclip.types import Device, Image, Vocabulary

SIZES = HeadSizes(
    queries=6, feature=32, mask=32, hidden=32, heads=4, encoder_layers=1, encoder_feedforward=16, decoder_layers=2,
    feedforward=16,
)  # fmt: skip
SETTINGS = QueriesSettings(weights="random", sizes=SIZES, loss=LossSettings(points=64))
CHANNELS = {"res2": 8, "res3": 8, "res4": 16, "res5": 24}


def vocabulary():
    text = torch.nn.functional.normalize(torch.randn(3, 12, generator=torch.Generator().manual_seed(5)), dim=-1)
    return Vocabulary(("car", "sky"), (True, False), (("auto",), ()), text)


def target(height=64, width=96):
    """A car in the middle of a sky."""
    car = torch.zeros(height, width, dtype=torch.bool)
    car[height // 4 : height // 2, width // 4 : width // 2] = True
    return MaskTargets(torch.stack((car, ~car)), torch.tensor([0, 1]))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TrainableQueries.started(SETTINGS, Device(), CHANNELS, 12)


def losses(model, features, targets, seed=0):
    return model(features, targets, vocabulary(), torch.Generator().manual_seed(seed))


def test_a_batch_is_learned_by_heart(model, features):
    batch = [features(seed=1), features(seed=2)]
    optimizer = torch.optim.AdamW(model.parameter_groups(0.05), lr=2e-3)
    totals = []
    for step in range(60):
        total = sum(losses(model, batch, [target(), target()], step).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.45 * totals[0]
    image = Image(torch.zeros(64, 96, 3, dtype=torch.uint8).numpy(), "0" * 64)
    found = model.proposer().propose([image], vocabulary(), [batch[0]])[0]
    car = torch.nn.functional.interpolate(target().masks[None, :1].float(), found.masks.shape[-2:])[0, 0] > 0.5
    overlaps = [(mask > 0.5).logical_and(car).sum() / (mask > 0.5).logical_or(car).sum() for mask in found.masks]
    assert max(overlaps) > 0.8


def test_a_step_is_a_function_of_its_generator(model, features):
    batch, targets = [features(seed=1)], [target()]
    first, again, other = (losses(model, batch, targets, seed) for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert set(first) == {f"{kind}{end}" for kind in ("class", "mask", "dice") for end in ("", "_0", "_1")}


def test_what_is_saved_is_read_again_as_the_same_proposer(model, features, tmp_path):
    model.save(tmp_path / "head.safetensors", ["car", "auto", "sky"])
    model.eval()
    loaded = MaskQueries.loaded(QueriesSettings(weights=str(tmp_path / "head.safetensors")), Device())
    image = Image(torch.zeros(64, 96, 3, dtype=torch.uint8).numpy(), "0" * 64)
    with torch.no_grad():
        pair = [one.propose([image], vocabulary(), [features()])[0] for one in (model.proposer(), loaded)]
    assert torch.equal(pair[0].masks, pair[1].masks) and torch.equal(pair[0].objectness, pair[1].objectness)
    from retclip_mask2former.checkpoint import trained_on_of

    assert trained_on_of(tmp_path / "head.safetensors") == ("car", "auto", "sky")
    again = TrainableQueries.started(
        QueriesSettings(weights=str(tmp_path / "head.safetensors")), Device(), CHANNELS, 12
    )
    assert all(p.requires_grad for p in again.parameters()) and again.training
    live = model.classifier(["car", "auto", "sky"])
    assert live.trained_on == ("car", "auto", "sky") and torch.equal(live.void, model.head.void)


def test_every_tensor_is_trained_and_norms_and_embeddings_do_not_decay(model, features):
    sum(losses(model, [features()], [target()]).values()).backward()
    assert [name for name, one in model.named_parameters() if one.grad is None] == []
    decayed, still = model.parameter_groups(0.05)
    assert (decayed["weight_decay"], still["weight_decay"]) == (0.05, 0.0)
    named = {id(p): name for name, p in model.named_parameters()}
    names = {named[id(p)] for p in still["params"]}
    assert {"head.void", "head.transformer.queries_features.weight", "head.transformer.level_embed.weight"} <= names
    assert all("norm" in n or "embed" in n or "quer" in n or n.rpartition(".")[0].rpartition(".")[2].isdigit() or
               n == "head.void" for n in names)  # fmt: skip
    assert "head.pixel_decoder.level_embed" in {named[id(p)] for p in decayed["params"]}
    assert len(decayed["params"]) + len(still["params"]) == len(list(model.parameters()))


def test_padding_is_in_no_mask(features):
    """A photo of 48 x 72 on a frame of 64 x 96: the targets grow to the frame, empty right and below."""
    framed = on_frame(target(48, 72), features(extent=(0.75, 0.75), image_size=(48, 72)))
    assert framed.masks.shape == (2, 64, 96)
    assert framed.masks[:, :48, :72].sum() == 48 * 72 and framed.masks.sum() == 48 * 72


@pytest.mark.parametrize("count", [0, 2])
def test_mixed_precision_keeps_the_losses_and_gradients_finite(model, features, count):
    one = target()
    targets = MaskTargets(one.masks[:count], one.classes[:count])
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(model, [features()], [targets])
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in found.values())
    sum(found.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_new_head_is_the_same_for_the_same_seed_and_looks_around(model):
    torch.manual_seed(0)
    again = TrainableQueries.started(SETTINGS, Device(), CHANNELS, 12)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    attention = model.head.pixel_decoder.encoder.layers[0].self_attn
    bias = attention.sampling_offsets.bias.view(SIZES.heads, -1, POINTS, 2)
    assert torch.allclose(bias[0, 0], torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0]]), atol=1e-6)  # to the right
    assert torch.allclose(bias[1, 0, :, 1], torch.arange(1.0, 5.0), atol=1e-6)  # down
    assert not attention.sampling_offsets.weight.any() and not attention.attention_weights.weight.any()


def test_initialising_sets_every_tensor(model):
    """Whatever stood there before is gone: two heads of different pasts become the same."""
    heads = []
    for value in (5.0, -3.0):
        head = MaskHead(model.head.shape)
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.fill_(value)
        torch.manual_seed(1)
        heads.append(initialise(head).state_dict())
    assert [name for name in heads[0] if not torch.equal(heads[0][name], heads[1][name])] == []


def test_what_does_not_fit_is_told(model, features, tmp_path):
    with pytest.raises(ConfigError, match="res5"):
        TrainableQueries.started(SETTINGS, Device(), {"res2": 8}, 12)
    model.save(tmp_path / "head.safetensors", ["car"])
    named = QueriesSettings(weights=str(tmp_path / "head.safetensors"))
    with pytest.raises(ConfigError, match="another backbone"):
        TrainableQueries.started(named, Device(), CHANNELS | {"res5": 32}, 12)
    with pytest.raises(ConfigError, match="heads"):
        TrainableQueries.started(
            QueriesSettings(weights="random", sizes=HeadSizes(hidden=30, heads=4)), Device(), CHANNELS, 12
        )
    with pytest.raises(ConfigError, match="retclip finetune"):
        MaskQueries.loaded(SETTINGS, Device())
    with pytest.raises(DataError, match="one size"):
        smaller = features()
        smaller.levels["res2"] = smaller.levels["res2"][:, :8]
        losses(model, [features(), smaller], [target(), target()])
    with pytest.raises(ConfigError, match="text"):
        model([features()], [target()], Vocabulary(("car", "sky"), (True, False)), torch.Generator())
