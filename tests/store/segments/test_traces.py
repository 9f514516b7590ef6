"""Traces in the store: kept, found by their voters, forgotten by a migration down."""

from datetime import timedelta


def test_a_migration_down_and_up_forgets_traces_alone(work):
    from retclip.store.records import SegmentFilter
    from retclip.store.sql import schema

    store = work.open()
    work.fill(store, range(2))
    voters = store.segments.select(SegmentFilter(), 5).ids
    store.traces.keep(("a" * 64, "/p.png"), b"bytes", voters, 1.0)
    assert store.traces.with_voters(voters[:1]) == store.traces.with_voters(runs=[1]) == [1]
    trace = store.traces.read(1)
    assert (trace.evidence, trace.image_uri, trace.expires_at - trace.at) == (b"bytes", "/p.png", timedelta(days=1))
    schema.downgrade(store.engine, "0014")
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == [] and store.traces.count() == 0
    assert sum(one.segments for one in store.classes.all()) == 12
