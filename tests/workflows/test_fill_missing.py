"""Walk 4 whole: 40 names of which the store lacks 10, a fallback data set that has 6 of these; killed, done again."""

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
import torch

from retclip.config import Settings
from retclip.config_sections import FallbackSection, MatchingSection
from retclip.errors import ConfigError, DataError
from retclip.names import MatchKind, name_key
from retclip.plugin import SourceClass, SourceImage
from retclip.store.class_matches import history
from retclip.store.crash_points import armed
from retclip.store.engine import transaction
from retclip.store.undo import undo
from retclip.types import FeatureSpace, Image, PanopticSegmentation, SegmentFeatures, SegmentInfo, Vocabulary
from retclip.workflows.build_store import build_store
from retclip.workflows.fill_missing import Filling, fill_missing
from retclip.workflows.vocabulary import prepare

STORED = (*(f"class {n}" for n in range(28)), "car", "sofa")
ABSENT = ("kayak", "Tractor", "settee", "lorry", "puppy", "bike", "unicorn", "dragon", "couchette", "canoes")
SYNONYMS = {"settee": ("davenport",), "lorry": ("truck",)}  # the first of nobody's use
FALLBACK = {  # the fallback data set's classes with their synonyms
    "Kayak": (), "tractor": (), "Chesterfield": ("settee",), "Truck": (), "Young dog": (), "Bicycle": (),
    "Horse": (), "class 3": (), "Boat": (),
}  # fmt: skip
NEAR = {"puppy": ("Young dog", 0.97), "bike": ("Bicycle", 0.951), "couchette": ("sofa", 0.9),
        "canoes": ("Boat", 0.949), "unicorn": ("Horse", 0.6)}  # fmt: skip
DIM = 64


def text_of(name):
    """A unit vector of its own for each name, turned towards the one that it is near to."""
    own = {key: n for n, key in enumerate(("Young dog", "Bicycle", "sofa", "Boat", "Horse"))}
    if name in NEAR:
        other, cosine = NEAR[name]
        return cosine * torch.eye(DIM)[own[other]] + math.sqrt(1 - cosine**2) * torch.eye(DIM)[own[other] + 8]
    if name in own:
        return torch.eye(DIM)[own[name]]
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    some = torch.randn(DIM - 24, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.pad(torch.nn.functional.normalize(some, dim=0), (24, 0))


def photo(*names, seed=0):
    """Stripes, one for each class, annotated."""
    rng = np.random.default_rng([seed, *name_key("".join(names)).encode()])
    label_map = np.repeat(np.arange(1, len(names) + 1, dtype=np.int32), 8)[None].repeat(8, axis=0)
    pixels = rng.integers(0, 256, (len(names) + 1, 3))[label_map].astype(np.uint8)
    infos = tuple(SegmentInfo(n, name, True, 64) for n, name in enumerate(names, 1))
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Image(pixels, sha256, f"/photos/{sha256[:8]}.png", PanopticSegmentation(label_map, infos))


@dataclass
class Photos:
    """An annotated source that writes down which photos are read; classes with their synonyms."""

    known: dict
    items: list
    name: str = "the world"
    loaded: list = field(default_factory=list)
    broken: bool = False

    def classes(self):
        return tuple(SourceClass(name, True, tuple(more)) for name, more in self.known.items())

    def __len__(self):
        return len(self.items)

    def images(self):
        for number, one in enumerate(self.items):
            names = tuple(segment.class_name for segment in one.truth.segments)
            load, digest = partial(self.load, number), partial(str, one.sha256)
            yield SourceImage(f"photo {number}", one.uri, load, digest, names, str(names))

    def load(self, number):
        if self.broken:
            raise DataError("a photo", "none", "copy it")
        self.loaded.append(number)
        return self.items[number]


@pytest.fixture
def reading(kit):
    """A backbone of 64 channels whose names have the vectors above."""

    class Reading(kit.Backbone):
        space = FeatureSpace("stub.reading", "none", "none", "mean-1", DIM)

        def segment_vectors(self, features, masks, logits=None):
            found = super().segment_vectors(features, masks, logits)
            return SegmentFeatures(torch.nn.functional.pad(found.vectors, (0, DIM - 3)), found.covered, self.space)

        def text_vectors(self, names):
            return torch.stack([text_of(name) for name in names])

    return kit.loaded("stub.reading", Reading())


@pytest.fixture
def world(fresh, kit, reading):
    """A store of 30 classes, and the fallback data set: each class in 3 photos, the kayak in 9 with 4 in each."""
    parts = replace(kit.parts(fresh.store), backbone=reading, settings=settings())
    build_store(parts, Photos(dict.fromkeys(STORED, ()), [photo(*STORED)], "home"), "home:")
    items = [photo(name, "class 3", seed=n) for name in FALLBACK for n in range(3) if name != "Kayak"]
    return parts, Photos(FALLBACK, [*items, *(photo(*["Kayak"] * 4, seed=n) for n in range(9))])


def settings(**given):
    return Settings(fallback=FallbackSection(source="world:", **given))


def vocabulary(*names):
    names = names or (*STORED, *ABSENT)
    return Vocabulary(names, (None,) * len(names), tuple(SYNONYMS.get(name, ()) for name in names))


def fill(world, *names, **options):
    parts, source = world
    opened = []
    filling = Filling(parts, parts.backbone, lambda address: opened.append(address) or source)
    return fill_missing(filling, vocabulary(*names), **options), opened


def rows(world, query=None):
    with transaction(world[0].store.engine) as connection:
        return history(connection, query)


def stored(world):
    return {one.name: one.segments for one in world[0].store.classes() if one.segments}


def test_exactly_the_right_six_are_filled_and_a_second_run_fetches_nothing(world):
    source = world[1]
    report, opened = fill(world)
    assert [one.name for one in report.of("there")] == list(STORED)
    assert {one.name: (one.how, one.matched, one.dataset) for one in report.of("filled")} == {
        "kayak": ("exact", "Kayak", "the world"), "Tractor": ("exact", "tractor", "the world"),
        "settee": ("synonym", "Chesterfield", "the world"), "lorry": ("synonym", "Truck", "the world"),
        "puppy": ("text", "Young dog", "the world"), "bike": ("text", "Bicycle", "the world"),
    }  # fmt: skip
    assert [one.name for one in report.of("missing")] == ["unicorn", "dragon", "couchette", "canoes"]
    assert opened == ["world:"] and report.failures == ()
    wanted = {"kayak": 32, "Tractor": 3, "settee": 3, "lorry": 3, "puppy": 3, "bike": 3}
    assert {name: stored(world).get(name) for name in wanted} == wanted  # 20 are enough: looked at every 4 photos
    assert len(stored(world)) == 36 and len(source.loaded) == 8 + 5 * 3
    loaded = list(source.loaded)
    again, opened = fill(world)
    assert (source.loaded, opened) == (loaded, []), "what is decided is not asked again"
    assert [replace(one, images=0, segments=0) for one in report.outcomes] == list(again.outcomes)


def test_every_decision_is_a_row_with_its_reason_and_its_run(world):
    report, _ = fill(world)
    told = {one.query: one for one in rows(world)}
    assert set(told) == set(ABSENT), "a class of the very name is no decision"
    puppy = told["puppy"]
    assert (puppy.how, puppy.matched, puppy.decision, puppy.threshold) == ("text", "Young dog", "auto", 0.95)
    assert puppy.similarity == pytest.approx(0.97) and puppy.encoder == world[0].backbone.thing.space.id
    assert puppy.decided_by.startswith("retclip ") and puppy.source == "world:"
    assert told["kayak"].similarity is None and told["kayak"].encoder == ""
    assert all((one.run is None) == (one.how is MatchKind.MISSING) for one in told.values())
    assert {one.event for one in told.values()} - {None} == {one.event for one in report.of("filled")}


def test_what_is_missing_says_what_was_nearest_in_both_places(world):
    report, _ = fill(world)
    told = {one.name: one for one in report.of("missing")}
    assert told["canoes"].in_fallback.name == "Boat"
    assert told["canoes"].in_fallback.similarity == pytest.approx(0.949, abs=1e-6)
    assert (told["couchette"].in_store.name, round(told["couchette"].in_store.similarity, 3)) == ("sofa", 0.9)
    row = next(one for one in rows(world, "couchette"))
    assert row.reason == "nearest in the store: 'sofa' 0.900"


def test_the_answers_for_segmenting_say_where_a_class_came_from(world):
    parts, _ = world
    fill(world)
    found = {one.name: one for one in prepare(parts, vocabulary()).matches}
    puppy = found["puppy"]
    assert (puppy.how, puppy.store_class, puppy.nearest, puppy.dataset) == (
        MatchKind.FALLBACK, "puppy", "Young dog", "the world",
    )  # fmt: skip
    assert puppy.similarity == pytest.approx(0.97) and found["sofa"].how is MatchKind.EXACT
    assert [name for name, one in found.items() if one.how is MatchKind.MISSING] == list(ABSENT[6:])


def test_names_that_another_class_of_the_store_stands_for_are_written_down_and_not_fetched(world, kit):
    parts, source = world
    report = fill_missing(
        Filling(parts, parts.backbone, lambda _: source),
        Vocabulary(("automobile", "couch"), (None, None), (("car",), ())),
    )
    assert [(one.state, one.matched, one.how) for one in report.outcomes[:1]] == [("matched", "car", "synonym")]
    assert [(one.query, one.matched, one.dataset) for one in rows(world, "automobile")] == [("automobile", "car", "")]
    assert source.loaded == []


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_photos_are_fetched_than_allowed(world, most):
    world = (replace(world[0], settings=settings(max_images=most)), world[1])
    report, _ = fill(world, "kayak", "bike")
    assert [one.images for one in report.outcomes] == [most, min(3, most)]
    assert len(world[1].loaded) == most + min(3, most)


def test_a_fill_is_taken_back_by_one_undo_and_not_made_again(world):
    before = stored(world)
    report, _ = fill(world)
    event = next(one.event for one in report.outcomes if one.name == "kayak")
    done = world[0].store.edit(lambda connection: undo(connection, event, "ann"))
    assert done.segments == 32 and "kayak" not in stored(world)
    loaded = list(world[1].loaded)
    again, _ = fill(world)
    assert "kayak" in [one.name for one in again.of("missing")] and world[1].loaded == loaded
    assert [(one.how, one.decision) for one in rows(world, "kayak")] == [
        ("exact", "auto"), ("exact", "rejected"), ("missing", "auto"),
    ]  # fmt: skip
    for other in again.of("filled"):
        world[0].store.edit(lambda connection, other=other: undo(connection, other.event, "ann"))
    assert stored(world) == before


class Stopped(BaseException):
    """The program ends here."""


def test_stopped_after_any_step_a_second_run_finishes_and_one_undo_takes_all_back(world):
    parts, source = world
    whole, before, steps = {**stored(world), "kayak": 32, "puppy": 3}, stored(world), 0
    for step in range(100):
        count = iter(range(1000))

        def stop(_, count=count, step=step):
            if next(count) == step:
                raise Stopped

        try:
            with armed(stop):
                fill(world, "kayak", "puppy")
        except Stopped:
            steps += 1
            fill(world, "kayak", "puppy")
        assert stored(world) == whole, step
        loaded = len(source.loaded)
        events = [one.event for one in fill(world, "kayak", "puppy")[0].outcomes]
        assert len(source.loaded) == loaded
        for event in events:
            parts.store.edit(lambda connection, event=event: undo(connection, event, "ann"))
        assert stored(world) == before, step
        with transaction(parts.store.engine, write=True) as connection:  # as if nobody had decided yet
            connection.exec_driver_sql("DELETE FROM class_match")
        if step >= steps:
            break
    assert steps >= 6


def test_photos_that_cannot_be_read_leave_the_fill_open(world):
    world[1].broken = True
    report, _ = fill(world, "bike")
    assert [(one.state, one.event) for one in report.outcomes] == [("missing", None)] and len(report.failures) == 3
    assert "the next fill tries again" in report.outcomes[0].reason
    world[1].broken = False
    assert [one.state for one in fill(world, "bike")[0].outcomes] == ["filled"]


def test_what_was_missing_is_asked_again_where_data_set_or_threshold_changed_or_somebody_says_so(world):
    parts, source = world
    assert fill(world, "unicorn")[1] == ["world:"] and fill(world, "unicorn")[1] == []
    assert fill(world, "unicorn", again=True)[1] == ["world:"] and len(rows(world, "unicorn")) == 1
    other = parts.settings.model_copy(update={"matching": MatchingSection(threshold=0.5)})
    report, opened = fill((replace(parts, settings=other), source), "unicorn")
    assert opened == ["world:"] and [(one.state, one.matched) for one in report.outcomes] == [("filled", "Horse")]


def test_without_a_fallback_data_set_everything_is_told_and_nothing_opened(world):
    parts, source = world
    nowhere = replace(parts, settings=Settings())
    report, opened = fill((nowhere, source), "kayak", "sofa")
    assert ([one.state for one in report.outcomes], opened) == (["missing", "there"], [])
    assert [one.state for one in fill(world, "kayak")[0].outcomes] == ["filled"], "named later, it is asked"


def test_a_fill_needs_names_and_a_data_set_with_classes(world):
    parts, source = world
    with pytest.raises(ConfigError, match="--classes"):
        fill_missing(Filling(parts, parts.backbone, lambda _: source), None)
    with pytest.raises(DataError, match="annotated source"):
        fill((parts, Photos({}, [])), "kayak")
