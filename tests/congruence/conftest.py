"""The store's fixtures, here too: `cluster`, `made` and the class `Work` of tests/store/conftest.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def _store_fixtures() -> ModuleType:
    """By path: tests are no package, so they cannot import one another."""
    spec = importlib.util.spec_from_file_location("congruence_store_fixtures", HERE.parent / "store" / "conftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_module = _store_fixtures()
cluster, made = _module.cluster, _module.made


@pytest.fixture(scope="module")
def both(cluster, tmp_path_factory):
    """The same empty store twice: over SQLite and over PostgreSQL."""
    folder = tmp_path_factory.mktemp("both")
    options = (_module.StoreOptions(), _module.StoreOptions(database=cluster.migrated()))
    works = [_module.Work(folder / name, one) for name, one in zip(("sqlite", "postgresql"), options, strict=True)]
    yield works
    for work in works:
        work.close()
