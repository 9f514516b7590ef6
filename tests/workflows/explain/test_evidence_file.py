"""Evidence on disk: read back equal, damage named, and nothing a stranger's file says is ever executed."""

import json
import tracemalloc
import zipfile
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retclip import limits
from retclip.errors import DataError
from retclip.evidence import Evidence
from retclip.names import LabelMatch, MatchKind
from retclip.types import ClassPrototypes, ClassScores, Neighbours, PanopticSegmentation, Role, SegmentInfo, Vocabulary
from retclip.workflows.explain.evidence_file import load_evidence, photo_of, save_evidence

NAMES = ("sky", "Straße", "写真")


def example(neighbours=True):
    """Two masks, three classes, two sources; the second mask has one neighbour less."""
    ids = np.array([[UUID(int=1), UUID(int=2)], [UUID(int=3), None]], dtype=object)
    near = Neighbours(
        ids,
        torch.tensor([[0, 1], [2, -1]]),
        torch.tensor([[0.25, 0.5], [1.5, torch.inf]]),
        torch.tensor([True, True, False]),
        prototypes=ClassPrototypes(torch.tensor([0, 2]), torch.tensor([5, 1]), ids[::-1], torch.rand(2, 2)),
    )
    scores = (
        ClassScores(
            torch.rand(2, 3),
            torch.tensor([True, False, True]),
            Role.RETRIEVAL,
            None,
            "retrieval.vote",
            shares=torch.rand(2, 2),
            rule="each counts",
            certainty=torch.rand(2),
            shrinkage=torch.rand(2, 3),
        ),
        ClassScores(torch.rand(2, 3), torch.ones(3, dtype=torch.bool), Role.IN_VOCABULARY, torch.rand(2), "a.head"),
    )
    result = PanopticSegmentation(
        np.array([[0, 1, 2], [300, 1, 2]], dtype=np.int32),
        (
            SegmentInfo(1, "sky", False, 2, 0.5, 0, 0),
            SegmentInfo(2, "写真", True, 2, 0.25, 2, 1),
            SegmentInfo(300, "sky", False, 1, is_crowd=True),
        ),
        np.array([[-1, 0, 1], [1, 0, 1]], dtype=np.int32) if neighbours else None,
    )
    evidence = Evidence(
        "ab" * 32, "/photos/ü.jpg", Vocabulary(NAMES, (False, True, True), ((), ("street", "road"), ())),
        near if neighbours else None, scores, torch.rand(2, 3), torch.rand(2), np.array([[0, 0, 3, 2], [1, 0, 2, 2]]),
        {"ensemble": {"alpha": 0.4}, "classifiers": [{"name": "retrieval.vote"}]},
        (LabelMatch("sky", "Sky", MatchKind.TEXT, 0.97, "Sky"), LabelMatch("x", None, MatchKind.MISSING, 0.0)),
    )  # fmt: skip
    return result, evidence


def same(one, other):
    return (one is None and other is None) or (one.dtype == other.dtype and torch.equal(one, other))


def assert_equal(found, wanted):
    (result, evidence), (good_result, good) = found, wanted
    assert (result.label_map == good_result.label_map).all()
    assert result.label_map.dtype == np.int32
    assert result.segments == good_result.segments
    assert (result.mask_map is None) == (good_result.mask_map is None)
    assert good_result.mask_map is None or (result.mask_map == good_result.mask_map).all()
    for name in ("image_sha256", "image_uri", "settings", "matches"):
        assert getattr(evidence, name) == getattr(good, name), name
    assert evidence.vocabulary.digest == good.vocabulary.digest
    assert (evidence.boxes == good.boxes).all()
    assert same(evidence.combined, good.combined)
    assert same(evidence.void, good.void)
    for one, other in zip(evidence.scores, good.scores, strict=True):
        assert (one.role, one.classifier, one.rule) == (other.role, other.classifier, other.rule)
        assert same(one.values, other.values)
        assert same(one.shares, other.shares) and same(one.certainty, other.certainty)
        assert same(one.shrinkage, other.shrinkage)
        assert same(one.knows, other.knows)
        assert same(one.void, other.void)
    assert (evidence.neighbours is None) == (good.neighbours is None)
    if good.neighbours is not None:
        near, good_near = evidence.neighbours, good.neighbours
        assert near.ids.tolist() == good_near.ids.tolist()
        assert all(same(getattr(near, one), getattr(good_near, one)) for one in ("classes", "distances", "supported"))
        assert (near.prototypes is None) == (good_near.prototypes is None)
        if good_near.prototypes is not None:
            found, wanted = near.prototypes, good_near.prototypes
            assert found.members.tolist() == wanted.members.tolist()
            assert all(same(getattr(found, one), getattr(wanted, one)) for one in ("classes", "distances", "sizes"))


@pytest.mark.parametrize("neighbours", [True, False])
def test_what_is_written_is_read_back(tmp_path, neighbours):
    wanted = example(neighbours)
    save_evidence(tmp_path / "a.evidence.npz", *wanted)
    assert_equal(load_evidence(tmp_path / "a.evidence.npz"), wanted)


def test_an_image_without_any_mask_is_read_back(tmp_path):
    _, evidence = example()
    none = Neighbours(np.full((0, 2), None), torch.zeros(0, 2).long(), torch.zeros(0, 2), torch.ones(3).bool())
    empty = replace(
        evidence, neighbours=none, combined=torch.zeros(0, 3), void=torch.zeros(0), boxes=np.zeros((0, 4), np.int64),
        scores=tuple(
            replace(one, values=torch.zeros(0, 3), void=None, shares=None, certainty=None, shrinkage=None)
            for one in evidence.scores
        ),
    )  # fmt: skip
    wanted = PanopticSegmentation(np.zeros((2, 3), np.int32), ()), empty
    save_evidence(tmp_path / "a.evidence.npz", *wanted)
    found = load_evidence(tmp_path / "a.evidence.npz")
    assert_equal(found, wanted)
    assert found[1].neighbours.ids.shape == (0, 2)


def test_the_real_thing_is_read_back(tmp_path, result):
    save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
    assert_equal(load_evidence(tmp_path / "a.evidence.npz"), (result.panoptic, result.evidence))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("evidence") / "good.evidence.npz"
    torch.manual_seed(0)
    wanted = example()
    save_evidence(path, *wanted)
    return path.read_bytes(), wanted


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_a_data_error_or_still_says_the_same(written, tmp_path, data):
    content, wanted = written
    place = data.draw(st.integers(0, len(content) - 1))
    cut = data.draw(st.booleans())
    changed = bytes([content[place] ^ data.draw(st.integers(1, 255))])
    path = tmp_path / "damaged.evidence.npz"
    path.write_bytes(content[:place] if cut else content[:place] + changed + content[place + 1 :])
    try:
        found = load_evidence(path)
    except DataError as error:
        assert "damaged.evidence.npz" in str(error)
    else:
        assert_equal(found, wanted)


@pytest.mark.parametrize("missing", ["about", "label_map", "combined", "void", "boxes", "values_1", "supported"])
def test_a_missing_part_is_a_data_error(written, tmp_path, missing):
    (tmp_path / "good").write_bytes(written[0])
    arrays = {name: array for name, array in np.load(tmp_path / "good").items() if name != missing}
    np.savez(tmp_path / "less.npz", **arrays)
    with pytest.raises(DataError, match=r"less\.npz"):
        load_evidence(tmp_path / "less.npz")


@pytest.mark.parametrize("about", ["", "{", "[]", "3", '{"segments": 3}', "[" * 9000, '{"segments": [{"id": 1}]}'])
def test_a_description_of_another_kind_is_a_data_error(written, tmp_path, about):
    (tmp_path / "good").write_bytes(written[0])
    np.savez(tmp_path / "odd.npz", **{**np.load(tmp_path / "good"), "about": np.array(about)})
    with pytest.raises(DataError):
        load_evidence(tmp_path / "odd.npz")


@pytest.mark.parametrize("change", [{"names": 3}, {"scores": [{"role": "judge"}]}, {"matches": [{"how": "so"}]}])
def test_a_description_with_odd_values_is_a_data_error(written, tmp_path, change):
    (tmp_path / "good").write_bytes(written[0])
    arrays = dict(np.load(tmp_path / "good"))
    about = {**json.loads(str(arrays["about"])), **change}
    np.savez(tmp_path / "odd.npz", **{**arrays, "about": np.array(json.dumps(about))})
    with pytest.raises(DataError):
        load_evidence(tmp_path / "odd.npz")


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def test_no_pickle_is_ever_opened(written, tmp_path):
    (tmp_path / "good").write_bytes(written[0])
    trap = np.array([Bomb(tmp_path / "exploded")], dtype=object)
    for name in ("about", "boxes", "extra"):
        path = tmp_path / "trap.npz"
        np.savez(path, **{**np.load(tmp_path / "good"), name: trap})
        with pytest.raises(DataError):
            load_evidence(path)
    np.save(tmp_path / "trap.npy", trap, allow_pickle=True)
    with pytest.raises(DataError):
        load_evidence(tmp_path / "trap.npy")
    assert not (tmp_path / "exploded").exists()


def test_a_file_that_is_not_there_or_is_something_else(tmp_path):
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("gone.npz", "empty.npz", "text.npz", "array.npy", "."):
        with pytest.raises(DataError, match="segment the image again"):
            load_evidence(tmp_path / name)


def bomb(path, size):
    """An evidence file of a few kilobytes whose label map has `size` bytes of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("label_map.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))


def test_a_file_that_unpacks_to_more_than_is_allowed_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "x.evidence.npz"
    bomb(path, 64 << 20)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(limits, "_current", limits.Limits(unpacked_bytes=32 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"at most 32 MiB of an unpacked .*; got 64 MiB; .*limits\.unpacked_mib"):
            load_evidence(path)
        assert photo_of(path) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_a_header_that_promises_more_than_there_is_takes_no_memory(tmp_path):
    path = tmp_path / "x.evidence.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("about.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (1 << 33,)})
    with pytest.raises(DataError, match="an evidence file written by"):
        load_evidence(path)
