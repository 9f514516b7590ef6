"""A store and cached scores of a few small drawn scenes, by the models that ship: three sources and soft masks."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import retclip
from retclip.tuning_run import classifier_with
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.score_cache import ScoreCache

PRESET = "miniature"
SIZE = "width=96&height=80"


@dataclass(frozen=True)
class Tuned:
    """A store, the address of the photos to tune on, and their scores with 32 neighbours of each mask."""

    store: Path
    address: str
    folder: Path

    def open(self, settings=None):
        return retclip.open(self.store, settings=settings, preset=PRESET)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory):
    pytest.importorskip("retclip_miniature", reason="needs plugins/miniature")
    folder = tmp_path_factory.mktemp("tuned")
    made = Tuned(folder / "store", f"miniature.scenes:{folder / 'scenes'}?split=val&count=3&{SIZE}", folder / "scores")
    with retclip.open(made.store, create=True, preset=PRESET) as memory:
        memory.build(f"miniature.scenes:{folder / 'scenes'}?split=store&count=8&{SIZE}")
        cache_scores(memory.session.segmenter(), memory.source(made.address), made.folder, 32)
    return made


@pytest.fixture
def cache(tuned):
    return ScoreCache.opened(tuned.folder)


@pytest.fixture(scope="session")
def load(tuned):
    """Loads a classifier with settings of its own."""
    with tuned.open() as memory:
        return classifier_with(memory.session.components)
