"""Cached scores: everything comes back as it was, a pass goes on where it stopped, and what does not fit is refused."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import retclip
from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.errors import ConfigError, DataError
from retclip.types import MaskProposals
from retclip.workflows.tuning import cache_scores as module
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.scored_photo import load_scores, save_scores


def cached(tuned, memory, folder, neighbours=32, **more):
    return cache_scores(memory.session.segmenter(), memory.source(tuned.address), folder, neighbours, **more)


def assert_equal(first, second):
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second) and first.dtype == second.dtype
    elif isinstance(first, np.ndarray):
        assert np.array_equal(first, second)
    elif isinstance(first, tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    elif hasattr(first, "__dataclass_fields__"):
        for field in fields(first):
            assert_equal(getattr(first, field.name), getattr(second, field.name))
    else:
        assert first == second


def test_a_photo_comes_back_as_it_was(cache, tmp_path):
    photo = cache.photo(1)
    mask = np.zeros((80, 96), dtype=bool)
    mask[10:20, 5:9] = True
    objects = AnnotatedObjects((ObjectMask.of(mask, "fox"), ObjectMask.of(~mask, "tea", False, True)), frozenset({"a"}))
    proposals = photo.scored.proposals
    tree = MaskProposals(
        proposals.masks[:3], proposals.objectness[:3], (80, 96), (None, "fox", None), parents=torch.tensor([2, 2, -1])
    )
    scored = replace(photo.scored, possible=torch.rand(32, 219) > 0.5)
    changed = replace(photo, truth=replace(photo.truth, objects=objects), scored=scored, keys=torch.rand(32, 5))
    for wanted in (photo, changed, replace(changed, scored=replace(scored, proposals=tree))):
        save_scores(tmp_path / "000001.npz", wanted)
        assert_equal(load_scores(tmp_path / "000001.npz", cache.space, photo.scored.seen), wanted)


def test_a_pass_that_was_stopped_goes_on(tuned, tmp_path, monkeypatch):
    shutil.copytree(tuned.folder, tmp_path / "scores")
    (tmp_path / "scores" / "000001.npz").unlink()
    loaded = []
    original = module._Walk._scored
    monkeypatch.setattr(
        module._Walk, "_scored", lambda walk, number, *more: (loaded.append(number), original(walk, number, *more))[1]
    )
    with tuned.open() as memory:
        cache, failures = cached(tuned, memory, tmp_path / "scores")
    assert (loaded, cache.numbers, failures) == ([1], [0, 1, 2], ())
    assert_equal(cache.photo(1), ScoreCache.opened(tuned.folder).photo(1))


def test_the_vote_and_the_ensemble_may_differ_the_models_and_the_store_may_not(tuned, tmp_path):
    free = {"ensemble": {"gamma": 0.9}, "segment": {"overlap_threshold": 0.5}, "retrieval": {"k": 3},
            "plugin": {"retrieval": {"vote": {"vote": "rank"}}}}  # fmt: skip
    with tuned.open(free) as memory:
        assert len(cached(tuned, memory, tuned.folder)[0]) == 3
        with pytest.raises(ConfigError, match=r"33 neighbours.*32 of each mask"):
            cached(tuned, memory, tuned.folder, neighbours=33)
        other = replace(tuned, address=tuned.address.replace("count=3", "count=2"))
        with pytest.raises(ConfigError, match="source, images differ"):
            cached(other, memory, tuned.folder)
        with pytest.raises(ConfigError, match="groups differ"):
            cached(tuned, memory, tuned.folder, seen=retclip.Vocabulary(("fox",), (True,)))
    trusted = {"retrieval": {"min_trust": 0.2}}
    with tuned.open(trusted) as memory, pytest.raises(ConfigError, match="neighbours differ"):
        cached(tuned, memory, tuned.folder)
    shutil.copytree(tuned.store, tmp_path / "store")
    with replace(tuned, store=tmp_path / "store").open() as memory:
        memory.quarantine([next(iter(memory.search(limit=1))).id])
        with pytest.raises(ConfigError, match="store differ"):
            cached(tuned, memory, tuned.folder)


def test_a_folder_of_something_else_and_a_damaged_photo_are_refused(tuned, tmp_path):
    with pytest.raises(ConfigError, match="a folder of cached scores"):
        ScoreCache.opened(tmp_path)
    copy = tmp_path / "scores"
    shutil.copytree(tuned.folder, copy)
    (copy / "000000.npz").write_bytes((copy / "000000.npz").read_bytes()[:2000])
    cache = ScoreCache.opened(copy)
    with pytest.raises(DataError, match=r"000000\.npz.*remove it and tune again"):
        next(cache.photos())
    head = (copy / "scores.json").read_text()
    (copy / "scores.json").write_text(head.replace('"version": 2', '"version": 3'))
    with pytest.raises(DataError, match=r"version 2.*version 3.*tune again"):
        ScoreCache.opened(copy)
    (copy / "scores.json").write_text('{"version": 2}')
    with pytest.raises(DataError, match=r"a head of cached scores.*got source: Field required; remove the folder"):
        ScoreCache.opened(copy)


def test_no_change_of_the_head_and_no_damaged_text_goes_unseen(tuned, tmp_path):
    copy = tmp_path / "scores"
    shutil.copytree(tuned.folder, copy)
    head = json.loads((copy / "scores.json").read_text())
    for key, value in {
        "names": head["names"][::-1],
        "images": 30,
        "seen": [not head["seen"][0], *head["seen"][1:]],
    }.items():
        (copy / "scores.json").write_text(json.dumps({**head, key: value}))
        with pytest.raises(DataError, match="a digest of other scores"):
            ScoreCache.opened(copy)
    (copy / "scores.json").write_text(json.dumps({**head, "settings": {}}))
    assert ScoreCache.opened(copy).head.names == tuple(head["names"]), "what may be tried is in no digest"
    for content in (b"", b"PK\x03\x04 and no archive", b"no archive at all"):
        (copy / "texts.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"texts\.npz.*tune again"):
            ScoreCache.opened(copy)


def test_photos_without_annotation_are_failures_and_none_is_an_error(tuned, tmp_path, monkeypatch):
    with tuned.open() as memory:
        source = memory.source(tuned.address)
        records = list(source.images())
        broken = [replace(record, load=lambda record=record: replace(record.load(), truth=None)) for record in records]
        monkeypatch.setattr(type(source), "images", lambda _: iter([broken[0], *records[1:]]))
        cache, failures = cache_scores(memory.session.segmenter(), source, tmp_path / "some", 4)
        assert cache.numbers == [1, 2] and [failure.external_id for failure in failures] == [records[0].external_id]
        monkeypatch.setattr(type(source), "images", lambda _: iter(broken))
        with pytest.raises(DataError, match=r"at least one annotated image.*3 that failed"):
            cache_scores(memory.session.segmenter(), source, tmp_path / "none", 4)
