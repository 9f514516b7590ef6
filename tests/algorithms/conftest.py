"""Algorithms as a user's program has them: without the checks of shapes and types that the tests put on."""

import importlib.util
import sys

import pytest


@pytest.fixture
def unhooked(monkeypatch):
    """A function that loads a module of `retclip.algorithms` anew, past jaxtyping's import hook, so that what a module
    itself refuses can be told from what the hook does."""

    def load(name):
        path = importlib.util.find_spec(f"retclip.algorithms.{name}").origin
        spec = importlib.util.spec_from_file_location(f"unhooked_{name}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their own module up
        spec.loader.exec_module(module)
        return module

    return load
