"""`retclip plugins info` of backbones that read: from which cosine on two names are one class."""

import json

import pytest

MINIATURE = [
    part
    for key in ("model=m", "pretrained=random", "config=package:retclip_miniature/models/clip.json")
    for part in ("--set", key)
]


@pytest.mark.parametrize(
    ("arguments", "threshold", "says"),
    [
        (["openclip.vit_b_16"], 0.95, "by text above cosine 0.95"),
        (["openclip.model", *MINIATURE], None, "by spelling alone"),  # it puts unrelated names as near
    ],
)
def test_a_backbone_that_reads_says_how_near_two_names_must_be(run, arguments, threshold, says):
    assert json.loads(run("plugins", "info", *arguments, "--json").out)["text_threshold"] == threshold
    assert says in run("plugins", "info", *arguments).err


def test_where_it_depends_on_settings_without_a_default_they_are_asked_for(run):
    ran = run("plugins", "info", "openclip.model")
    assert ran.code == 0
    assert "depends on its settings: --set" in ran.err
    refused = run("plugins", "info", "openclip.vit_b_16", "--set", "modle=x")
    assert refused.code == 2
    assert "did you mean 'model'" in refused.err


def test_of_what_cannot_read_nothing_is_said(run):
    assert "names are matched" not in run("plugins", "info", "timm.lite0").err
    assert "text_threshold" not in json.loads(run("plugins", "info", "timm.lite0", "--json").out)
