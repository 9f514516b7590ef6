"""A store of drawn scenes that a test may change, with its index in memory."""

import shutil

import pytest

import retclip


@pytest.fixture
def memory(built, tmp_path):
    shutil.copytree(built.store, tmp_path / "store")
    with retclip.open(tmp_path / "store", settings={"store": {"index": "resident"}}) as opened:
        yield opened
