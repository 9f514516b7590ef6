"""A model with a tensor missing, left over, of another shape or not finite is refused with the names; its library
would go on."""

import logging

import pytest
import torch
from torch import nn

from retclip.errors import WeightsDamaged
from retclip.plugin.whole_weights import companion, fill, misfits, not_finite, pretrained, require_whole


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))


def refused(action, *arguments, **options):
    with pytest.raises(WeightsDamaged) as caught:
        action(*arguments, **options)
    assert caught.value.exit_code == 6
    return caught.value


def test_a_whole_state_goes_in(tmp_path):
    state = {key: torch.rand_like(value) for key, value in model().state_dict().items()}
    filled = model()
    fill(filled, state, "x.safetensors")
    assert all(torch.equal(filled.state_dict()[key], value) for key, value in state.items())
    fill(filled, {**state, "head.weight": torch.ones(1)}, "x.safetensors", beside=("head.", "other."))
    with torch.device("meta"):
        empty = model()
    fill(empty, state, "x.safetensors", assign=True)
    assert empty[0].weight.device.type == "cpu"


def test_what_is_wrong_is_told_by_name():
    state = model().state_dict()
    del state["0.bias"], state["1.bias"]
    state |= {"more": torch.ones(1), "1.weight": torch.ones(4)}
    error = refused(fill, model(), state, "x.safetensors", beside=("head.",))
    assert error.expected == "every tensor of Sequential in x.safetensors, and no other"
    assert error.got == "2 missing: 0.bias, 1.bias; 1 left over: more; 1 of another shape: 1.weight"
    assert misfits(model().state_dict(), model().state_dict()) == {}


def test_whole_numbers_are_no_weights_but_may_be_counted_in():
    quantised = {**model().state_dict(), "0.weight": torch.ones(3, 2, dtype=torch.int8)}
    assert misfits(model().state_dict(), quantised) == {"of whole numbers": ["0.weight"]}
    counted = {"steps": torch.tensor(7)}
    assert misfits(counted, counted) == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_a_number_that_is_none_is_told_by_its_tensor(number, kind):
    state = {key: value.to(kind) for key, value in model().state_dict().items()}
    state["0.weight"][1, 0] = number
    error = refused(fill, model(), state, "x.safetensors")
    assert error.got == "1 with NaN or infinite numbers: 0.weight" and "retclip weights pull" in error.todo


def test_finite_numbers_of_any_type_are_taken():
    small, none = torch.ones(2).to(torch.float8_e4m3fn), torch.ones(0)
    assert not_finite({"largest": torch.tensor([65504.0, -65504.0]).half(), "small": small, "none": none}) == []
    assert not_finite({"small": (small.float() * float("nan")).to(torch.float8_e4m3fn)}) == ["small"]


def test_many_names_are_shortened():
    error = refused(require_whole, {"missing": [f"layer.{n}" for n in range(18)], "left over": []}, "a model in y")
    assert error.got == "18 missing: layer.0, layer.1, layer.2 and 15 more"


class Library:
    """Loads as transformers does: what is missing is made up, a report says so, and a warning is logged."""

    report = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}  # noqa: RUF012

    @classmethod
    def from_pretrained(cls, folder, **options):
        assert options["local_files_only"] and options["output_loading_info"] and options["dtype"] is torch.float32
        logging.getLogger("transformers.modeling_utils").warning("LOAD REPORT")
        return model(), {**cls.report, **{key: value for key, value in options.items() if key.endswith("_keys")}}


def test_a_folder_whose_weights_are_whole_is_frozen_and_nothing_is_said(tmp_path, caplog):
    found = pretrained(Library.from_pretrained, tmp_path)
    assert not found.training and not any(one.requires_grad for one in found.parameters())
    assert caplog.text == ""
    logging.getLogger("transformers.modeling_utils").warning("afterwards")
    assert "afterwards" in caplog.text


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({"missing_keys": {"b", "a"}}, "2 missing: a, b"),
        ({"unexpected_keys": {"head.weight", "layer.9.weight"}}, "1 left over: layer.9.weight"),
        ({"mismatched_keys": {("a", (1,), (2,))}}, "1 of another shape: a"),
    ],
)
def test_what_the_library_made_up_is_refused(report, told, tmp_path):
    error = refused(pretrained, Library.from_pretrained, tmp_path, beside=("head.",), **report)
    assert error.got == told and str(tmp_path) in error.expected


def test_what_the_library_read_is_finite_or_refused(tmp_path):
    class Overflown(Library):
        @classmethod
        def from_pretrained(cls, folder, **options):
            found, report = super().from_pretrained(folder, **options)
            found[1].bias.data[2] = 70_000.0
            return found.half().float(), report

    error = refused(pretrained, Overflown.from_pretrained, tmp_path)
    assert error.got == "1 with NaN or infinite numbers: 1.bias" and str(tmp_path) in error.expected


def test_files_that_the_library_cannot_read_are_told_in_three_parts(tmp_path):
    class Tokenizer:
        @classmethod
        def from_pretrained(cls, folder, **_):
            raise OSError(f"\nCan't load the tokenizer for '{folder}'.\nMore words")

    error = refused(companion, Tokenizer.from_pretrained, tmp_path)
    assert "files of Tokenizer" in error.expected
    assert error.got == f"OSError: Can't load the tokenizer for '{tmp_path}'."


@pytest.mark.parametrize("error", [ImportError("no sentencepiece"), MemoryError(), RuntimeError("CUDA out of memory")])
def test_what_is_no_fault_of_the_files_passes_through(error, tmp_path):
    def load(*_, **__):
        raise error

    with pytest.raises(type(error)):
        companion(load, tmp_path)
