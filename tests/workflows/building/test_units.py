"""Which images need work: what is finished does not, what lost its classes does, what cannot be read is said."""

from dataclasses import replace

import pytest

from retclip.errors import DataError
from retclip.plugin import SourceImage
from retclip.store.ids import recipe_fingerprint
from retclip.store.records import RunPlan
from retclip.store.work.ledger import MAX_ATTEMPTS
from retclip.types import FeatureSpace
from retclip.workflows.building.units import Search, plan_units, storable

SPACE = FeatureSpace("stub.colour", "none", "none", "mean-1", 3)
RECIPE = recipe_fingerprint("stub.masks", "1", {})


def record(name, classes=("sky",), digest="a" * 64, annotation="1"):
    def read():
        if isinstance(digest, Exception):
            raise digest
        return digest

    return SourceImage(name, f"/photos/{name}", lambda: None, read, classes, annotation)


@pytest.fixture
def planned(fresh):
    plan = RunPlan("build", "listed:x", "listed", "stub.masks", "1", {}, RECIPE, SPACE, {}, "0")
    run = fresh.store.runs.start(plan)

    def of(records, wanted=("sky", "car")):
        return plan_units(fresh.store, Search(run, "listed:x", wanted, SPACE.id), records)

    return of


def test_present_and_absent_classes_are_told_apart(planned):
    found = planned([record("a", ("sky", "grass")), record("b", ("grass",)), record("c", None)])
    assert [(one.record.external_id, one.class_names, one.absent) for one in found.units] == [
        ("a", ("sky",), ("car",)), ("c", ("sky", "car"), ()),
    ]  # fmt: skip
    assert (found.finished, found.empty, found.failures) == (0, 1, ())


def test_every_part_of_a_unit_counts(planned):
    first = record("a")
    keys = {planned([one]).units[0].key for one in (
        first, record("b", digest="b" * 64), record("a", annotation="2"), record("a", ("sky", "car")))}  # fmt: skip
    assert len(keys) == 4
    assert planned([record("elsewhere")]).units[0].key == planned([first]).units[0].key, "a photo is its bytes"


def test_a_file_that_cannot_be_read_is_a_failure_until_it_is_only_named(planned):
    bad = record("bad", digest=DataError("a readable file", "none", "check the path"))
    for attempt in range(MAX_ATTEMPTS):
        found = planned([bad, record("a")])
        assert [one.external_id for one in found.failures] == ["bad"], attempt
        assert len(found.units) == 1


def test_a_reason_that_names_a_file_which_is_no_unicode_can_be_written_down(planned):
    bad = record("bad", digest=DataError("a readable file", "/photos/caf\udce9.png: \0", "check the path"))
    found = planned([bad, record("a")])
    assert "caf\\udce9.png: \\x00" in found.failures[0].reason and len(found.units) == 1


def test_names_that_are_no_unicode_are_escaped():
    odd = storable(replace(record("caf\udce9.png"), uri="/photos/caf\udce9.png"))
    assert (odd.external_id, odd.uri) == ("caf\\udce9.png", "/photos/caf\\udce9.png")
