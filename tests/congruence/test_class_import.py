"""A class file arrives the same over SQLite with the embedded index and over PostgreSQL with a server's."""

import pytest
import retclip_starter
import torch

from retclip.data.class_file.reading import read_class_file
from retclip.session import Components
from retclip.store.feature_store import FeatureStore
from retclip.store.records import StoreOptions
from retclip.workflows.doctor.doctor import check_open_store
from retclip.workflows.exchange.export_classes import export_classes
from retclip.workflows.exchange.import_classes import ImportOptions, import_classes


@pytest.fixture
def stores(cluster, tmp_path):
    """An empty store of each kind; the server is qdrant-client's own, in memory."""
    url = cluster.migrated()
    options = (StoreOptions(), StoreOptions(database=url, index="server", qdrant_url=":memory:"))
    made = [FeatureStore.create(tmp_path / str(number), one) for number, one in enumerate(options)]
    yield made
    for store in made:
        store.close()
    cluster.give_back(url)


def test_the_starter_memory_arrives_votes_and_goes_the_same(stores, tmp_path):
    file = read_class_file(retclip_starter.COCO)
    keys = Components.configured(None, None, {"preset": "photos"}).component("backbone", "timm.lite0")
    answers, exported, events = [], [], []
    for number, store in enumerate(stores):
        report = import_classes(store, file, lambda: keys, ImportOptions("coco.zip"))
        events.append(report.event)
        again = import_classes(store, file, lambda: keys, ImportOptions("coco.zip"))
        assert (report.segments, again.segments) == (len(file.segments), 0)
        asked = torch.tensor(file.vectors[:20].astype("float32"))
        classes = [store.classes.id_of(name) for name in ("person", "sky", "road", "pizza")]
        near = store.nearest(asked, classes, 5, False)
        answers.append((near.ids.tolist(), near.classes.tolist()))
        export_classes(store, None, tmp_path / f"{number}.zip")
        exported.append((tmp_path / f"{number}.zip").read_bytes())
        assert not [one for one in check_open_store(store, False) if not one.ok and one.what != "disk"]
    assert answers[0] == answers[1] and exported[0] == exported[1]
    for store, event in zip(stores, events, strict=True):
        store.undo(event, "me")
        assert not any(known.segments for known in store.classes.all())
