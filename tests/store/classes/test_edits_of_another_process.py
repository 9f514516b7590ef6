"""A process that has the store open sees the correction of another one with its next question."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

EDIT = """
import sys, uuid
from pathlib import Path
from retclip.store.feature_store import FeatureStore
with FeatureStore.open(Path(sys.argv[1])) as store:  # the embedded index is held by the other process
    if sys.argv[2] == "undo":
        store.undo(int(sys.argv[3]), "bob")
    else:
        getattr(store.segments, sys.argv[2])([uuid.UUID(sys.argv[3])], "bob")
"""


def near(store, made) -> set:
    found = store.nearest(torch.eye(made.dim), [one.id for one in store.classes.all()], 50, False)
    return {one for row in found.ids for one in row if one is not None}


@pytest.mark.parametrize("change", ["quarantine", "retire"])
def test_the_next_question_sees_it(sqlite_work, made, change: str) -> None:
    store = sqlite_work.open()
    sqlite_work.fill(store, range(3))
    road = made.ids(store, "image_id = 1")["road", 0]
    before = near(store, made)
    assert road in before and len(before) == 18

    def elsewhere(*words: str) -> None:
        subprocess.run([sys.executable, "-c", EDIT, str(sqlite_work.folder), *words], check=True, timeout=120)

    elsewhere(change, str(road))
    assert near(store, made) == before - {road}
    elsewhere("undo", str(store.history.log()[-1].id))
    assert near(store, made) == before and store.history.check_chain().whole
