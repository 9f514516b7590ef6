"""A user without a home: what needs none works, what needs one says so."""

import pwd
from pathlib import Path

import pytest

from retclip.errors import ConfigError, WeightsMissing
from retclip.home import expanded, home_folder
from retclip.plugin.weight_digests import weight_digests
from retclip.plugin.weights import (
    WeightFile,
    Weights,
    cache_folder,
    cache_folder_if_any,
    cached_in,
    missing,
    require,
)


@pytest.fixture
def homeless(monkeypatch):
    """No HOME, and an account that is not in the list of users."""

    def nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_a_home_is_taken_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path
    assert expanded("~/x") == tmp_path / "x"
    assert cache_folder() == tmp_path / ".cache" / "retclip"


def test_without_a_home_it_is_said_what_to_set(homeless):
    for action in (home_folder, lambda: expanded("~/x"), cache_folder):
        with pytest.raises(ConfigError, match=r"set HOME; for weights alone, weights\.folder"):
            action()
    assert expanded("x/~") == Path("x/~")


def test_without_a_home_only_the_cache_is_missing(homeless, tmp_path):
    assert cache_folder_if_any() is None
    (tmp_path / "w").write_bytes(b"1")
    assert list(weight_digests({"w": tmp_path / "w"})) == ["w"]
    with cached_in(tmp_path):
        assert cache_folder() == cache_folder_if_any() == tmp_path


def test_without_a_home_no_weights_are_here_and_it_is_said_what_to_set(homeless):
    weights = Weights("big", "a model", "MIT", "https://example.org", 3, (WeightFile("a.json"), WeightFile("b.bin")))
    assert missing(weights) == ["a.json", "b.bin"]
    with pytest.raises(
        WeightsMissing, match=r"the weights 'big' \(3 MB\); got no home folder.*RETCLIP_WEIGHTS__FOLDER"
    ):
        require([weights])


def test_without_a_home_listings_go_on(homeless, tmp_path):
    from retclip import config
    from retclip.preset_needs import all_presets
    from retclip.session import Components

    components = Components(config.load())
    found = {one.name: one for one in all_presets(components.settings, components.manager)}
    assert found["miniature"].installed and not found["fc-clip"].installed
    assert not components.has_model("grounded_sam.prompted")
