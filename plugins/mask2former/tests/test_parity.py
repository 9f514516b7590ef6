"""The comparison with the original: it agrees, it notices what does not, and it says what a folder lacks."""

import json
import shutil
from pathlib import Path

import pytest
from retclip_mask2former.head import LEVELS
from retclip_mask2former.parity import compare, main
from retclip_mask2former.reference_numbers import Reference
from retclip_mask2former.train_parity import GRADIENT, training_rows
from safetensors.torch import load_file, save_file

from retclip.types import DenseFeatures, FeatureSpace

PARITY = Path(__file__).parents[3].parent / "shared" / "data" / "fcclip_parity"
needs_numbers = pytest.mark.skipif(not PARITY.is_dir(), reason="the reference fixtures in ../shared are not here")


@pytest.fixture
def copy(tmp_path):
    """A folder of our own in which one file can be changed."""
    folder = tmp_path / "resnet"
    folder.mkdir()
    for file in (PARITY / "resnet").iterdir():
        (folder / file.name).symlink_to(file)

    def change(name, edit):
        path = folder / f"{name}.safetensors"
        tensors = load_file(path)
        edit(tensors)
        path.unlink()
        save_file(tensors, path)
        return folder

    return change


@needs_numbers
@pytest.mark.parametrize("name", ["convnext", "resnet"])
def test_every_stage_agrees_with_the_original(name, capsys):
    assert main([str(PARITY / name)]) == 0
    told = capsys.readouterr().out
    assert "235 of 235 comparisons agree" in told  # 48 of the answer, 187 of a training step
    assert "DISAGREES" not in told


@needs_numbers
def test_one_wrong_weight_is_noticed_from_its_stage_on(copy, capsys):
    def edit(tensors):
        tensors["sem_seg_head.pixel_decoder.mask_features.bias"] += 0.1

    folder = copy("state", edit)
    rows = {one.name: one.ok for one in compare(folder)}
    assert rows["backbone.res5"]
    assert rows["pixdec.multi_scale.2"]
    assert not rows["pixdec.mask_features"]
    assert not rows["dec.layer_masks.4"]
    assert main([str(folder)]) == 1
    assert "DISAGREES  pixdec.mask_features" in capsys.readouterr().out


@needs_numbers
@pytest.mark.parametrize(
    ("file", "key", "row"),
    [
        ("results", "panoptic_seg.alt2", "panoptic alt2: pixels"),
        ("results", "instances.scores", "instances not found again"),
        ("results", "sem_seg", "sem_seg"),
        ("classification", "mask_cls_probs", "mask_cls_probs"),
        ("decoder", "dec.cross_attn_mask.1", "dec.cross_attn_mask.1"),
    ],
)
def test_one_wrong_number_is_noticed_where_it_stands(file, key, row, copy):
    def edit(tensors):
        part = tensors[key].flatten()[: max(1, tensors[key].numel() // 50)]
        part += 1 if part.is_floating_point() else 1 - 2 * (part > 0).to(part)  # an id or a flag becomes another

    assert [one.name for one in compare(copy(file, edit)) if not one.ok] == [row]


@needs_numbers
@pytest.mark.parametrize("name", ["convnext", "resnet"])
def test_from_the_recorded_features_every_gradient_agrees_closely(name):
    """Without the backbone's rounding, which lets a hidden unit at 0 wake or sleep."""
    reference = Reference(PARITY / name)
    recorded, config = reference.load("backbone"), reference.config
    levels = {key: recorded[f"backbone.{key}"][0] for key in LEVELS}
    extent = tuple(inner / whole for inner, whole in zip(config["net_hw"], config["padded_hw"], strict=True))
    space = FeatureSpace("tests", "none", "none", "none", 1)
    features = DenseFeatures(levels["res5"], space, tuple(config["image_hw"]), 32.0, levels, extent)
    rows = list(training_rows(reference, features, reference.load("text")["train.classifier"]))
    assert len(rows) == 187 and all(one.ok for one in rows)
    assert max(one.difference / one.allowed * GRADIENT for one in rows if "gradient of" in one.name) < 5e-5


@needs_numbers
@pytest.mark.parametrize(
    ("file", "key", "row"),
    [
        ("train", "gt_classes", "train: class"),
        ("train_grads", "void_embedding.weight", "train: gradient of void"),
        ("train", "rand.02", "train: mask"),
    ],
)
def test_one_wrong_number_of_the_training_step_is_noticed(file, key, row, copy):
    def edit(tensors):
        tensors[key] = tensors[key].flip(0) if key == "gt_classes" else tensors[key] * 0.5

    wrong = {one.name for one in compare(copy(file, edit)) if not one.ok}
    assert row in wrong and all(one.startswith("train: ") for one in wrong)


@needs_numbers
def test_a_missing_and_an_unexpected_key_end_in_a_row_that_names_them(copy, capsys):
    def edit(tensors):
        del tensors["sem_seg_head.predictor.decoder_norm.bias"]
        tensors["sem_seg_head.predictor.more"] = tensors["void_embedding.weight"].clone()

    folder = copy("state", edit)
    assert main([str(folder)]) == 1
    assert "sem_seg_head.predictor.more" in capsys.readouterr().out


@needs_numbers
def test_a_tensor_that_the_folder_lacks_is_named(copy, capsys):
    folder = copy("results", lambda tensors: tensors.pop("sem_seg"))
    assert main([str(folder)]) == 3
    assert "'sem_seg'" in capsys.readouterr().err


def test_no_folder_of_numbers_is_told_without_a_traceback(tmp_path, capsys):
    assert main([str(tmp_path)]) == 3
    assert "config.json" in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--help"]) == 0


@needs_numbers
def test_more_than_one_folder_at_once(tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(PARITY / "convnext", broken)
    config = broken / "config.json"
    config.chmod(0o644)
    settings = json.loads(config.read_text())
    settings["alpha"] = 0.9
    config.write_text(json.dumps(settings))
    assert main([str(PARITY / "convnext"), str(broken)]) == 1
    assert capsys.readouterr().out.count("comparisons agree") == 2
