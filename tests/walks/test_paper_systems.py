"""The paper's systems by their preset names, with small random models in place of the published weights: every part is
the real one, from the command line to the label map."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import retclip
from retclip.errors import ConfigError, SpaceMismatch, StoreMissing, WeightsMissing
from retclip.presets import PRESETS
from retclip.workflows.building import provenance

pytest.importorskip("retclip_openclip", reason="needs plugins/openclip")
pytest.importorskip("retclip_mask2former", reason="needs plugins/mask2former")
SCENES = "reference.scenes:{}?split={}&count=3&width=96&height=64"
WORDS = ["sky", "grass", "house", "zeppelin"]
CHANNELS = (8, 8, 16, 24)
EMBED = 12
KEYS = {"components": {"keys": "openclip.vit_b_16"}}
SHIPPED = "miniature"  # its weights come with the project


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small CLIP for `openclip.*` and a small head for `mask2former.*`, as settings."""
    from retclip_mask2former.checkpoint import save_head
    from retclip_mask2former.head import HeadShape, MaskHead

    folder = tmp_path_factory.mktemp("weights")
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    convnext = {
        "timm_model_name": "convnext_of_the_walks", "timm_pool": "", "timm_proj": "mlp", "image_size": 64,
        "timm_model_kwargs": {"depths": [1, 1, 1, 1], "dims": list(CHANNELS)},
    }  # fmt: skip
    vit = {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8}
    for name, vision in (("convnext", convnext), ("vit", vit)):
        config = {"embed_dim": EMBED, "vision_cfg": vision, "text_cfg": text}
        (folder / f"{name}.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    shape = HeadShape(
        channels=CHANNELS, queries=8, feature=32, mask=32, hidden=32, embed=EMBED, encoder_layers=1,
        encoder_feedforward=16, decoder_layers=3, feedforward=16,
    )  # fmt: skip
    save_head(MaskHead(shape), folder / "head.safetensors", ["sky", "grass"])
    clip = {"pretrained": "random", "short_side": 64, "long_side": 128, "templates": "plain"}
    head = {"weights": str(folder / "head.safetensors")}
    return {
        "openclip": {
            "convnext_large": {**clip, "model": "convnext", "config": str(folder / "convnext.json")},
            "vit_b_16": {**clip, "model": "vit", "config": str(folder / "vit.json")},
        },
        "mask2former": {"queries": head, "in_vocabulary": head},
    }


@pytest.fixture
def opened(tmp_path, weights):
    def open_store(preset, store="store", **more):
        settings = {"preset": preset, "plugin": weights, **more}
        settings.setdefault("build", {"proposer": "reference.ground_truth"})
        return retclip.open(tmp_path / store, settings=settings, create="build" in more, missing_ok=True)

    return open_store


def build(opened, tmp_path, preset, **more):
    with opened(preset, build={"proposer": "reference.ground_truth"}, **more) as memory:
        report = memory.build(SCENES.format(tmp_path / "scenes", "train"))
        assert report.segments > 5
        assert not report.failures


def photo(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (60, 90, 3)).astype(np.uint8)


def test_fc_clip_needs_no_store_and_mixes_two_sources(opened):
    with opened("fc-clip", "nowhere") as memory:
        result = memory.segment(photo(), WORDS)
    assert result.label_map.shape == (60, 90)
    roles = {str(one.role): one.classifier for one in result.evidence.scores}
    assert roles == {"clip": "zero_shot.clip_text", "in_vocabulary": "mask2former.in_vocabulary"}
    assert result.evidence.settings["ensemble"]["form"] == "geometric"
    assert float((result.evidence.combined.sum(1) + result.evidence.void - 1).abs().max()) < 1e-4


def test_a_preset_that_votes_needs_its_store(opened):
    with pytest.raises(StoreMissing):
        opened("retclip-cross-data-set", "nowhere")


def test_three_sources_decide_and_a_class_without_segments_is_left_to_the_others(opened, tmp_path):
    build(opened, tmp_path, "retclip-cross-data-set")
    exact = {"threshold": 1.0}  # a random text tower finds any two names alike
    with opened("retclip-cross-data-set", matching=exact) as memory:
        result = memory.segment(photo(), WORDS)
    evidence = result.evidence
    ret, clip, head = (
        next(s for s in evidence.scores if s.role == role) for role in ("retrieval", "clip", "in_vocabulary")
    )
    assert not bool(ret.knows[WORDS.index("zeppelin")])
    assert bool(clip.knows.all() & head.knows.all())
    assert (
        result.evidence.settings["ensemble"] | {"alpha": 0.4, "beta": 0.7, "gamma": 0.3}
        == (result.evidence.settings["ensemble"])
    )
    seen, unseen = WORDS.index("sky"), WORDS.index("zeppelin")
    mixed = torch.stack(
        (
            0.4 * (0.3 * ret.values[:, seen] + 0.7 * clip.values[:, seen]) + 0.6 * head.values[:, seen],
            0.7 * clip.values[:, unseen] + 0.3 * head.values[:, unseen],
        ),
        dim=1,
    )  # before it is brought to sum 1: the two must stand in the same ratio as in the answer
    covered = evidence.combined[:, unseen] > 1e-6
    ratio = evidence.combined[covered][:, seen] / evidence.combined[covered][:, unseen]
    assert torch.allclose(ratio, mixed[covered][:, 0] / mixed[covered][:, 1], rtol=1e-3)


def test_a_second_backbone_makes_the_keys(opened, tmp_path):
    """kNN-CLIP: stored vectors are the second backbone's, the names are compared with the first one's."""
    build(opened, tmp_path, "knn-clip", **KEYS)
    with opened("knn-clip", **KEYS) as memory:
        result = memory.segment(photo(), WORDS)
        assert memory.session.segmenter().keys.name == "openclip.vit_b_16"
        assert memory.session.builder().backbone.name == "openclip.vit_b_16"  # the first has nothing to do there
        assert result.evidence.settings["keys"]["name"] == "openclip.vit_b_16"
    assert bool(result.evidence.neighbours.distances.isfinite().any())
    with opened("retclip-cross-data-set") as memory:  # the store remembers what its vectors were made with
        assert memory.session.segmenter().keys.name == "openclip.vit_b_16"
    with opened("retclip-cross-data-set", components={"keys": ""}) as memory, pytest.raises(SpaceMismatch):
        memory.segment(photo(), WORDS)


def test_a_proposer_that_shares_maps_is_refused_beside_a_backbone_without_any(opened):
    refused = pytest.raises(ConfigError, match="no named feature maps")
    with opened("fc-clip", "nowhere", components={"backbone": "openclip.vit_b_16"}) as memory, refused:
        memory.segment(photo(), WORDS)


def test_several_images_at_once_get_the_answers_that_each_gets_alone(opened, tmp_path):
    figures = []
    for size in (1, 3):
        with opened("fc-clip", "nowhere", device={"batch_size": size}) as memory:
            figures.append(memory.evaluate(SCENES.format(tmp_path / "scenes", "val")))
            maps = [one.label_map for one in memory.segment([photo(0), photo(1)], WORDS)]
    for key in ("pq", "miou", "pixel_accuracy"):
        assert getattr(figures[0], key) == pytest.approx(getattr(figures[1], key), abs=0.5)
    assert figures[1].images == 3
    with opened("fc-clip", "nowhere") as memory:
        alone = memory.segment(photo(1), WORDS).label_map
    assert (alone == maps[1]).mean() > 0.999


def test_evaluation_by_the_command_line(tmp_path, weights):
    from retclip.cli import app

    settings = tmp_path / "settings.toml"
    lines = []
    for plugin, components in weights.items():
        for component, values in components.items():
            lines.append(f"[plugin.{plugin}.{component}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    settings.write_text("\n".join(lines))
    source = SCENES.format(tmp_path / "scenes", "val")
    command = ["evaluate", source, "--preset", "fc-clip", "--config", str(settings), "--store", str(tmp_path / "no")]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["images"] == 3
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "preset",
    [one for one in PRESETS if one not in ("appearance", "photos", "imagenet") and not one.startswith(SHIPPED)],
)
def test_without_weights_every_preset_says_what_to_fetch(preset, tmp_path):
    """Whatever is missing first: name, size, folder and two commands, and exit code 6."""
    cache = {"weights": {"folder": str(tmp_path / "cache")}}
    told = pytest.raises(WeightsMissing)
    with retclip.open(tmp_path / "store", settings={"preset": preset, **cache}, create=True) as memory, told as caught:
        memory.segment(photo(), WORDS)
    assert caught.value.exit_code == 6
    for part in (" MB", str(tmp_path / "cache"), "retclip weights pull", "retclip weights import"):
        assert part in str(caught.value)


def test_a_run_writes_down_every_file_that_its_components_were_loaded_from(opened, tmp_path, weights):
    def named(path):
        path = Path(path)
        return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()}

    with opened("knn-clip", build={"proposer": "mask2former.queries"}, **KEYS) as memory:
        found = provenance.components(memory.session.builder(), "reference.scenes:somewhere")
    assert {role: one["name"] for role, one in found.items()} == {
        "proposer": "mask2former.queries", "backbone": "openclip.convnext_large", "keys": "openclip.vit_b_16",
        "source": "reference.scenes",
    }  # fmt: skip
    assert found["proposer"]["weights"] == named(weights["mask2former"]["queries"]["weights"])
    assert found["backbone"]["weights"] == named(weights["openclip"]["convnext_large"]["config"])  # "random" is no file
    assert found["keys"]["weights"] == named(weights["openclip"]["vit_b_16"]["config"])
    build(opened, tmp_path, "retclip-cross-data-set")
    with opened("retclip-cross-data-set") as memory:
        result = memory.segment(photo(), WORDS)
        stored = result.explain(result.segments[0]).neighbours[0].stored
    assert stored.components["backbone"] == found["backbone"]
    assert stored.components["proposer"]["name"] == stored.proposer == "reference.ground_truth"
