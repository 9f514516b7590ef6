"""`retclip finetune` as a user meets it: a small random CLIP, a small new head, drawn scenes; then the answers to what
cannot be."""

import json

import pytest

pytest.importorskip("retclip_openclip", reason="needs plugins/openclip")
pytest.importorskip("retclip_mask2former", reason="needs plugins/mask2former")
SIZES = {"queries": 6, "feature": 32, "mask": 32, "hidden": 32, "encoder_layers": 1, "encoder_feedforward": 16,
         "decoder_layers": 2, "feedforward": 16}  # fmt: skip
SMALL = {"batch_size": 2, "crop": 64, "workers": 1, "log_every": 1, "checkpoint_every": 2, "validate_every": 2,
         "validate_images": 2, "learning_rate": 0.001, "smallest_scale": 0.5}  # fmt: skip


@pytest.fixture
def small(tmp_path):
    """A retclip.toml of small models."""
    vision = {
        "timm_model_name": "convnext_of_the_finetuning", "timm_pool": "", "timm_proj": "mlp", "image_size": 64,
        "timm_model_kwargs": {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 24]},
    }  # fmt: skip
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    clip = tmp_path / "clip.json"
    clip.write_text(json.dumps({"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}))
    lines = ['preset = "fc-clip-finetune"', "[device]", 'name = "cpu"', "[finetune]"]
    lines += [f"{key} = {value}" for key, value in SMALL.items()]
    lines += ["[plugin.openclip.convnext_large]", 'model = "small"', f'config = "{clip}"', 'pretrained = "random"',
              "short_side = 64", "long_side = 64", 'templates = "plain"']  # fmt: skip
    lines += ["[plugin.mask2former.queries.sizes]", *(f"{key} = {value}" for key, value in SIZES.items())]
    lines += ["[plugin.mask2former.queries.loss]", "points = 64"]
    path = tmp_path / "small.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def finetune(run, tmp_path, small):
    def call(*more, split="train", out="run"):
        source = f"reference.scenes:{tmp_path / 'scenes'}?split={split}&count=3&width=96&height=64"
        return run("finetune", source, "--out", tmp_path / out, "--config", small, *more)

    return call


def scenes(folder, split):
    return f"reference.scenes:{folder / 'scenes'}?split={split}&count=3&width=96&height=64"


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: one for key, one in line.items() if key not in ("seconds", "images_per_second")} for line in found]


def test_it_trains_validates_draws_its_curve_and_what_it_made_segments(finetune, run, tmp_path, small):
    ran = finetune("--steps", "3", "--val", scenes(tmp_path, "val"), "--json")
    assert ran.code == 0, ran.err
    told, folder = json.loads(ran.out), tmp_path / "run"
    assert told["step"] == 3 and 0 <= told["validation"]["pq"] <= 100
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert [one["step"] for one in lines(folder) if "validation" in one] == [2, 3]
    assert "sky" in (folder / "trained_on.txt").read_text().splitlines()
    again = finetune("--steps", "3")
    assert again.code == 0 and len(lines(folder)) == 5, "a finished run has nothing left to do"
    weights = f'"{folder / "weights.safetensors"}"'
    named = [f"plugin.mask2former.{one}.weights={weights}" for one in ("queries", "in_vocabulary")]
    used = run("evaluate", scenes(tmp_path, "val"), "--config", small, "--preset", "fc-clip", "--json",
               "--store", tmp_path / "none", "--set", named[0], "--set", named[1])  # fmt: skip
    assert used.code == 0, used.err
    assert json.loads(used.out)["groups"]["seen"]["classes"] > 0, "the file itself says what it was trained on"


def test_a_run_goes_on_in_another_process_with_the_same_numbers(finetune, tmp_path, monkeypatch):
    whole = finetune("--steps", "4", out="whole")
    assert whole.code == 0, whole.err
    from retclip.workflows.training import finetune as workflow

    original = workflow._Loop._step

    def stopping(self, samples):
        if self.report.step == 3:
            raise KeyboardInterrupt
        return original(self, samples)

    monkeypatch.setattr(workflow._Loop, "_step", stopping)
    assert finetune("--steps", "4", out="halved").code == 130
    monkeypatch.undo()
    resumed = finetune("--steps", "4", out="halved")
    assert resumed.code == 0 and "going on after step 2" in resumed.err
    assert lines(tmp_path / "halved") == lines(tmp_path / "whole")
    weights = [(tmp_path / one / "weights.safetensors").read_bytes() for one in ("halved", "whole")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("--proposer", "reference.superpixels"), 2, "a proposer that can be fine-tuned"),
        (("--backbone", "reference.colour_texture"), 2, "a backbone with text and named feature maps"),
        (("--classes", "sky, unicorn"), 3, "'unicorn'"),
        (("--set", "finetune.crop=4"), 2, "finetune.crop"),
        (("--set", "finetune.smallest_scale=3"), 2, "smallest_scale must not be above"),
        (("--set", "finetune.milestones=[5,5]"), 2, "milestones"),
        (("--set", "finetune.stepz=4"), 2, "did you mean 'steps'?"),
        (("--set", "device.dtype='float16'"), 2, "bfloat16"),
        (("--steps", "0"), 2, "steps"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_cannot_be_is_told_with_its_code(finetune, more, code, told):
    ran = finetune(*more)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert told in ran.err and "Traceback" not in ran.err


def test_a_source_without_annotation_is_3(run, small, photos, tmp_path):
    ran = run("finetune", photos, "--out", tmp_path / "run", "--config", small)
    assert ran.code == 3 and "without classes" in ran.err
    assert not (tmp_path / "run").exists()


def test_a_longer_run_goes_on_and_another_learning_rate_is_another_run(finetune, tmp_path):
    assert finetune("--steps", "1").code == 0
    assert finetune("--steps", "2").code == 0 and [one["step"] for one in lines(tmp_path / "run")] == [1, 2]
    cosine = ("--set", "finetune.schedule=cosine")
    assert finetune("--steps", "2", *cosine, "--fresh").code == 0
    assert "finetune.steps = 3, it began with 2" in finetune("--steps", "3", *cosine).err
    assert finetune("--steps", "1", "--fresh").code == 0
    ran = finetune("--steps", "1", "--set", "finetune.learning_rate=0.5")
    assert ran.code == 2 and "learning_rate = 0.5, it began with 0.001" in ran.err
    assert finetune("--steps", "1", "--set", "finetune.learning_rate=0.5", "--fresh").code == 0
