"""No download names a branch, and people are told what holds each to the file that was meant."""

import re

import pytest

from retclip.errors import ContractBroken
from retclip.plugin.manager import PluginManager
from retclip.plugin.pins import COMMIT, MOVING, ON_HUB, REVISION, pin_of, revision_of, told_digest
from retclip.plugin.weights import WeightFile, Weights, at_revision, hub

HASH = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "ab" * 32


def every_listed():
    """What `retclip weights list` lists: of every installed plugin, whatever the settings are."""
    return PluginManager.discover().listed_weights()


def weights(*files, note=""):
    return Weights("model", "a model", "MIT", "https://example.org", 1, files, note)


def test_no_listed_download_names_a_moving_revision():
    listed = every_listed()
    assert len(listed) >= 20
    for file in (file for one in listed.values() for file in one.files if file.url):
        on_hub = ON_HUB.match(file.url)
        if on_hub:
            assert COMMIT.fullmatch(on_hub[1]), file.url
        else:
            assert not {*file.url.lower().split("/")} & MOVING, file.url
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.url  # an address alone says nothing of its content


def test_every_listed_set_is_pinned_as_far_as_public_sources_go():
    pins = {name: pin_of(one) for name, one in every_listed().items()}
    assert {name for name, pin in pins.items() if pin not in ("sha256", "revision")} == {
        "fcclip_convnext_large", "fcclip_rn50x64",
    }  # fmt: skip
    assert {pins[name] for name in ("fcclip_convnext_large", "fcclip_rn50x64")} == {"by hand"}
    assert {name for name, pin in pins.items() if pin == "revision"} == {
        "openclip_convnext_large_d_320_laion2b_s29b_b131k_ft_soup", "owlv2_large",
    }  # fmt: skip


def test_what_only_a_person_can_fetch_has_its_page_and_what_is_not_sure_says_so():
    listed = every_listed()
    for name in ("fcclip_convnext_large", "fcclip_rn50x64"):
        assert listed[name].files[0].page.startswith("https://drive.google.com/file/d/")
    assert "could not be confirmed" in listed["fcclip_rn50x64"].note
    assert "one project only" in told_digest(listed["fcclip_convnext_large"].files[0])


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/owner/name/resolve/main/model.safetensors",
        "https://huggingface.co/owner/name/resolve/master/model.safetensors",
        "https://huggingface.co/owner/name/resolve/v1.0/model.safetensors",
        "https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/model.safetensors",
        f"https://huggingface.co/owner/name/resolve/{HASH[:-1]}/model.safetensors",
        "https://raw.githubusercontent.com/owner/name/main/model.pth",
        "https://modelscope.cn/models/owner/name/resolve/Master/model.pth",
        "https://github.com/owner/name/releases/latest/download/model.pth",
    ],
)
def test_an_address_that_names_a_branch_is_its_author_s_mistake(url):
    with pytest.raises(ContractBroken, match="40 hex digits"):
        WeightFile("model.pth", url)


def test_an_address_of_a_commit_or_of_a_known_file_is_none():
    for revision in (HASH, ""):
        (file,) = hub("owner/name", "model.safetensors", revision=revision)
        assert revision_of(file) == revision
    WeightFile("model.pth", "https://example.org/main/model.pth", DIGEST)  # a folder; held by digest
    WeightFile("model.pth", "https://example.org/v1/model.pth")


def test_one_word_says_what_holds_a_set():
    tensors = WeightFile("model.safetensors", sha256=DIGEST, projects=2)
    assert pin_of(weights(*hub("a/b", "config.json", tensors, revision=HASH))) == "sha256"
    assert pin_of(weights(*hub("a/b", "config.json", "model.safetensors", revision=HASH))) == "revision"
    assert pin_of(weights(*hub("a/b", "config.json", tensors))) == "none"  # its configuration is of no known commit
    assert pin_of(weights(WeightFile("model.pth"))) == "by hand"
    assert pin_of(weights(WeightFile("model.pth", sha256=DIGEST, projects=1))) == "by hand"
    assert pin_of(weights(WeightFile("model.pth", "https://example.org/model.pth"))) == "address"
    assert pin_of(weights(WeightFile("words.txt", "https://example.org/words.txt", DIGEST))) == "sha256"


def test_a_person_s_commit_takes_the_place_that_was_left_for_it():
    model = at_revision(weights(*hub("a/b", "config.json", "model.safetensors")), HASH)
    assert {revision_of(file) for file in model.files} == {HASH}
    assert pin_of(model) == "revision"
    assert not any(REVISION in file.url for file in model.files)


def test_how_sure_a_digest_is_is_told():
    assert told_digest(WeightFile("x")) == "sha256 not known to us"
    assert told_digest(WeightFile("x", sha256=DIGEST)) == f"sha256 {DIGEST}, stated by its publisher"
    assert told_digest(WeightFile("x", sha256=DIGEST, projects=4)) == f"sha256 {DIGEST}, stated by 4 projects"
    assert told_digest(WeightFile("x", sha256=DIGEST, projects=1)).endswith(
        "stated by one project only and not held to"
    )
