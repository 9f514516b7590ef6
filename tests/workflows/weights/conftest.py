"""Weights of a test lie in a folder of its own, never in the user's cache."""

import pytest

from retclip.plugin.weights import cached_in


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with cached_in(tmp_path / "cache"):
        yield tmp_path / "cache"
