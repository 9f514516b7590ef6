"""What a dry run says: the plan as a build would find it, sizes by hand, and nothing written."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from retclip.config import load
from retclip.errors import DataError
from retclip.passed_over import BadPart, PassedOver
from retclip.store.sql.engine import transaction
from retclip.workflows.building.build_store import build_store
from retclip.workflows.building.estimate_build import INDEX_BYTES, SQL_BYTES, estimate_build

BAD = DataError("a photo", "half of one", "copy it again")
TABLES = ("run", "unit", "image", "segment", "dataset", "proposer", "feature_space", "category", "event")


@pytest.fixture
def estimate(fresh, kit):
    def run(items, classes=None, **options):
        return estimate_build(kit.parts(fresh.store), kit.Source(items), "listed:x", classes, **options)

    return run


def rows(fresh):
    with transaction(fresh.store.engine) as connection:
        return {one: connection.execute(text(f"SELECT count(*) FROM {one}")).scalar() for one in TABLES}


def test_an_empty_store_everything_is_to_do_and_nothing_is_written(fresh, estimate, kit):
    images = [kit.picture(seed=n) for n in range(5)] + [kit.picture("car", "sand", seed=9)]
    found = estimate(images, ["sky", "grass"])
    assert (found.total, found.todo, found.finished, found.empty, found.failures) == (6, 5, 0, 1, ())
    assert found.sampled == 5
    assert found.segments == 10, "two in each"
    assert found.archive_bytes == 10 * 3 * 2, "three float16 each"
    assert found.index_bytes == 10 * 2 * (3 * 2 + INDEX_BYTES)
    assert found.catalog_bytes > 10 * SQL_BYTES
    assert found.seconds == pytest.approx(5 * found.seconds_per_image) and found.seconds > 0
    assert set(rows(fresh).values()) == {0}


def test_what_is_done_is_not_to_do(fresh, estimate, kit):
    images = [kit.picture(seed=n) for n in range(4)]
    build_store(kit.parts(fresh.store), kit.Source(images[:3]), "listed:x")
    before = rows(fresh)
    found = estimate(images)
    assert (found.todo, found.finished, found.sampled, found.segments) == (1, 3, 1, 2)
    done = estimate(images[:3])
    assert (done.todo, done.finished, done.sampled, done.segments, done.seconds) == (0, 3, 0, 0, 0.0)
    assert rows(fresh) == before


def test_a_sample_stands_for_the_rest(estimate, kit):
    images = [kit.picture(seed=n) for n in range(40)]
    found = estimate(images, sample=4)
    assert (found.todo, found.sampled, found.segments) == (40, 5, 80), "one more, which warms the models up"


def test_every_image_is_as_likely_to_be_tried(fresh, kit):
    images, tried = [kit.picture(seed=n) for n in range(30)], set()
    for seed in range(40):
        source = kit.Source(images)
        estimate_build(kit.parts(fresh.store), source, "listed:x", sample=2, seed=seed)
        assert len(source.loaded) == 3
        tried.update(source.loaded)
    assert len(tried) > 25, "with 120 draws of 30 about 29.5 are met"


def test_files_that_cannot_be_read_are_named_and_not_recorded(fresh, kit):
    class Lost(kit.Source):
        def images(self):
            for one in super().images():
                yield one if one.external_id != "item0" else replace(one, file_digest=lost)

    def lost():
        raise BAD

    images = [kit.picture(seed=n) for n in range(3)]
    build_store(kit.parts(fresh.store), kit.Source(images[1:2]), "listed:x")
    before = rows(fresh)
    found = estimate_build(kit.parts(fresh.store), Lost(images), "listed:x")
    assert (found.todo, found.finished, [one.external_id for one in found.failures]) == (1, 1, ["item0"])
    assert "half of one" in found.failures[0].reason
    assert rows(fresh) == before


def test_a_sampled_image_that_fails_has_no_segments(fresh, estimate, kit):
    found = estimate([BAD, kit.picture(seed=6)], ["sky", "grass"])
    assert (found.todo, found.sampled, found.segments) == (2, 2, 2)
    assert rows(fresh)["unit"] == 0
    nothing = estimate([BAD], ["sky"])
    assert (nothing.sampled, nothing.segments, nothing.seconds) == (1, 0, 0.0)


def test_what_a_build_would_refuse_is_refused(estimate, kit):
    with pytest.raises(DataError, match="did you mean 'sky'"):
        estimate([kit.picture()], ["skyy"])


def test_the_settings_that_decide_count(fresh, kit):
    images = [kit.picture()]
    parts = kit.parts(fresh.store, settings=load(None, {"build": {"max_segments": 1}}))
    assert estimate_build(parts, kit.Source(images), "listed:x").segments == 1


def test_what_the_source_passed_over_is_told_before_a_build_meets_it(estimate, kit, monkeypatch):
    told = PassedOver({"rows": 1}, (BadPart("row 5", "a.csv", "no number"),))
    monkeypatch.setattr(kit.Source, "passed_over", lambda source: told, raising=False)
    found = estimate([kit.picture()])
    assert dict(found.passed_over) == {"rows": 1} and [str(one) for one in found.failures] == ["row 5: no number"]
    assert (found.todo, found.sampled) == (1, 1)
