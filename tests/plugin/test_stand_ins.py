"""What lies in the place of weights is told for what it is, and weights are not taken for it."""

import pytest
import torch
from safetensors.torch import save_file

from retclip.plugin.stand_ins import stand_in

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12\n"  # noqa: E501


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER.encode(), "Git LFS pointer"),
        (b"<!DOCTYPE html>\n<title>Google Drive - Virus scan warning</title>", "web page"),
        (b"\xef\xbb\xbf\r\n  <HTML><body>log in", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        (b'{"model_type": "dinov2"}', ""),
        (b"<unk>\n<s>\n", ""),
        (b"version 1", ""),
        (b"", ""),
    ],
)
def test_a_pointer_and_a_page_are_told_by_how_they_begin(content, words, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    found = stand_in(file)
    assert words in found and bool(found) == bool(words)


def test_weights_and_what_cannot_be_read_are_no_stand_ins(tmp_path):
    save_file({"<html>": torch.ones(3)}, tmp_path / "model.safetensors")
    assert stand_in(tmp_path / "model.safetensors") == ""
    assert stand_in(tmp_path / "nothing") == stand_in(tmp_path) == ""
