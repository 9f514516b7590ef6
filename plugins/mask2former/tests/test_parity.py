"""The comparison with the original: it agrees, it notices what does not, and it says what a folder lacks."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from retclip_mask2former import train_parity
from retclip_mask2former.checkpoint import head_of
from retclip_mask2former.parity import compare, main
from retclip_mask2former.reference_numbers import Reference, recorded_features
from retclip_mask2former.train_parity import GRADIENT, recorded_gradients, scale_of
from safetensors.torch import load_file, save_file

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


NEAR_ZERO = 1e-6  # what float32's rounding may do to a hidden unit of the pixel decoder: 64 products of numbers up to 4


def gradients_of(reference, switched=(), near=None):
    """The step's gradients with some hidden units awake that are asleep, and the other way round. near: takes the
    places of those nearest to 0."""
    model = train_parity.model_of(reference)
    for number, layer in enumerate(model.head.pixel_decoder.encoder.layers):

        def relu(z, number=number):
            awake = z > 0
            if near is not None:
                near.extend((number, *place) for place in (z.abs() < NEAR_ZERO).nonzero().tolist())
            for place in switched:
                if place[0] == number:
                    awake[place[1:]] = ~awake[place[1:]]
            return z * awake

        layer.activation_fn = relu
    matches = train_parity.recorded_losses(reference)["matches_query_gt"]
    draw, _ = train_parity.replayed(reference)
    train_parity.step(reference, model, draw, train_parity.RecordedMatches(matches))
    return train_parity.gradients(model)


def largest_difference(found, recorded):
    """In shares of the largest gradient of each layer."""
    return max(float((found[name] - recorded[name]).abs().max()) / scale_of(name, recorded) for name in recorded)


@needs_numbers
@pytest.mark.parametrize(("name", "asleep"), [("convnext", 1), ("resnet", 0)])
def test_from_the_recorded_features_every_gradient_agrees_closely(name, asleep):
    """Once every hidden unit of the pixel decoder is awake that was awake in the original's run: in float32 a unit at 0
    falls on either side, and of 4 million there are always some."""
    reference, near = Reference(PARITY / name), []
    recorded = recorded_gradients(reference)
    least = largest_difference(gradients_of(reference, near=near), recorded)
    switched = []
    for place in near if least > GRADIENT else []:
        found = largest_difference(gradients_of(reference, [*switched, place]), recorded)
        if found < least:
            least, switched = found, [*switched, place]
    assert least < 5e-6
    assert len(switched) == asleep


@needs_numbers
@pytest.mark.parametrize("name", ["convnext", "resnet"])
def test_in_float32_the_head_says_the_same_up_to_its_first_decision(name):
    """What comes after may differ wherever a logit lies within the rounding of 0 (see `train_parity`)."""
    reference = Reference(PARITY / name)
    recorded = recorded_features(reference).levels
    head = head_of(reference.load("state"))
    with torch.no_grad():
        coarse = head({name: level[None] for name, level in recorded.items()}, every_layer=True)
        fine = head.double()({name: level.double()[None] for name, level in recorded.items()}, every_layer=True)
    assert coarse.masks[0].dtype == torch.float32 and fine.masks[0].dtype == torch.float64
    for found, wanted in zip((*coarse.levels, coarse.pixels), (*fine.levels, fine.pixels), strict=True):
        torch.testing.assert_close(found.double(), wanted, atol=1e-5 * float(wanted.abs().max()), rtol=0)
    torch.testing.assert_close(coarse.masks[0].double(), fine.masks[0], atol=1e-3, rtol=0)


def test_an_assignment_that_costs_more_is_noticed_and_one_that_costs_the_same_is_not():
    cost = torch.tensor([[1.0, 2.0, 2.0], [1.0, 3.0, 3.0], [5.0, 3.0, 3.0]], dtype=torch.float64)
    queries = [0, 1, 2]
    recorded = train_parity.RecordedMatches([(queries, one) for one in ([1, 0, 2], [2, 0, 1], [2, 1, 0], [0, 0, 0])])
    found = [recorded(cost)[1].tolist() for _ in range(4)]
    assert found == [[1, 0, 2], [2, 0, 1], [2, 1, 0], [0, 0, 0]], "they are used whatever they cost"
    assert [row.ok for row in recorded.rows] == [True, True, False, False]
    assert [row.difference for row in recorded.rows[:3]] == [0, 0, 4]


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
