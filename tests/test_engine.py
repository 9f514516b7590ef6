"""The front door: what `segment` takes, presets by name, short texts, and clear errors after `close`."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image as Pillow

import retclip
from retclip.errors import ConfigError, DataError, StoreError, StoreMissing
from retclip.names import MatchKind
from retclip.workflows.segment.vocabulary import missing

SUPERPIXELS = {"store": {"index": "resident"}, "plugin": {"reference": {"superpixels": {"count": 30}}}}


@pytest.fixture(scope="module")
def plain(built):
    """The built store with superpixels."""
    with retclip.open(built.store, settings=SUPERPIXELS) as memory:
        yield memory


def test_every_form_of_a_photo_gives_the_same_answer(plain, built):
    path = built.photos / "train_0_0000.png"
    content = path.read_bytes()
    forms = [path, str(path), content, io.BytesIO(content), Pillow.open(path), np.asarray(Pillow.open(path))]
    results = plain.segment(forms, "sky, grass, tree")
    assert [one.label_map.tolist() for one in results] == [results[0].label_map.tolist()] * len(forms)
    assert plain.segment(Pillow.open(path), ["sky", "grass", "tree"]).segments == results[0].segments


def test_of_several_photos_there_is_a_result_each_in_their_order(plain, built):
    paths = sorted(built.photos.glob("train_*.png"))[:3]
    for given in (paths, tuple(paths), iter(paths), (Pillow.open(path) for path in paths)):
        assert [one.image.uri for one in plain.segment(given, "sky, grass")] == [str(path) for path in paths]
    assert plain.segment([], "sky") == []
    with pytest.raises(DataError, match="a list of them"):
        plain.segment([paths[0], 3], "sky")


def test_classes_may_be_a_path(plain, built, tmp_path):
    (tmp_path / "names.txt").write_text("sky\ngrass\n")
    result = plain.segment(built.photos / "train_0_0000.png", tmp_path / "names.txt")
    assert result.evidence.vocabulary.without_rest.names == ("sky", "grass")


def test_a_preset_is_named_and_goes_before_the_one_in_the_settings(built):
    with retclip.open(built.store, preset="retrieval") as memory:
        assert (memory.settings.preset, memory.settings.build.proposer) == ("retrieval", "grounded_sam.boxes")
    with retclip.open(built.store, preset="clip", settings={"preset": "retrieval", "retrieval": {"k": 3}}) as memory:
        assert (memory.settings.preset, memory.settings.retrieval.k) == ("clip", 3)
    with retclip.open(built.store) as memory:
        assert memory.settings.preset == "appearance"
    with pytest.raises(ConfigError, match=r"a preset, one of appearance.*got 'retreival'"):
        retclip.open(built.store, preset="retreival")


def test_an_option_that_is_not_there_is_an_error(built):
    with pytest.raises(TypeError, match="presett"):
        retclip.open(built.store, presett="appearance")


def test_it_is_short_as_text_and_says_when_it_is_closed(built):
    memory = retclip.open(built.store, settings=SUPERPIXELS)
    said = repr(memory)
    assert said.startswith(f"<RetCLIP of {str(built.store)!r}, preset appearance: reference.superpixels, ")
    memory.close()
    assert repr(memory) == f"{said[:-1]}, closed>"


@pytest.mark.parametrize("loaded", [True, False])
def test_after_close_everything_that_needs_the_store_says_so(built, loaded):
    photo = built.photos / "train_0_0000.png"
    with retclip.open(built.store, settings=SUPERPIXELS) as memory:
        result = memory.segment(photo, "sky, grass") if loaded else None
    calls = [
        lambda: memory.segment(photo, "sky, grass"), lambda: memory.segment([photo]),
        lambda: memory.undo(1), lambda: memory.build(built.source),
        lambda: memory.classes.rename("sky", "heaven"), lambda: memory.matches.list(), lambda: memory.spaces.list(),
        lambda: memory.fill_missing("sky"), lambda: memory.doctor(),
        lambda: memory.classes.list(), lambda: memory.evaluate(built.source),
        lambda: memory.classes.add("kayak", built.source), lambda: memory.store, lambda: memory.__enter__(),
        lambda: memory.prepare("sky"), lambda: memory.estimate(built.source),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreError, match=r"an open store; got .* was closed; open it again"):
            call()
    memory.close()  # twice is no error
    if result is not None:
        why = result.explain(result.segments[0])
        assert why.neighbours and result.overlay().any()


def test_public_names_are_there_and_importing_them_is_lazy():
    assert set(retclip.__all__) <= set(dir(retclip))
    assert all(getattr(retclip, name) is not None for name in retclip.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Imagee'"):
        _ = retclip.Imagee


def test_an_open_store_knows_what_another_one_changed(built, tmp_path):
    """Two handles of one store: what one says of a name must not be what the other once prepared."""
    shutil.copytree(built.store, tmp_path / "store")
    photo = built.photos / "train_0_0000.png"
    with retclip.open(tmp_path / "store", settings=SUPERPIXELS) as one, retclip.open(tmp_path / "store") as other:
        names = ["heaven", "grass"]
        kept = one.prepare(names)
        assert [match.how for match in missing(kept)] == [MatchKind.MISSING]
        assert one.prepare(names) is kept
        other.store.classes.add_alias("sky", "heaven", "ann")
        assert missing(one.prepare(names)) == ()
        assert one.segment(photo, names).evidence.vocabulary.without_rest.names == ("heaven", "grass")
        other.store.classes.remove("grass", "ann")
        assert [match.name for match in missing(one.prepare(names))] == ["grass"]
        assert "grass" not in one.prepare(None).vocabulary.names


def test_without_a_store_the_vote_is_left_out_where_the_settings_say_so(tmp_path, built):
    settings = {"preset": "miniature", "segment": {"without_store": True}}
    with retclip.open(missing_ok=True, settings=settings) as memory:
        result = memory.segment(built.photos / "train_0_0000.png", "sky, grass")
    judges = [scores.classifier for scores in result.evidence.scores]
    assert judges == ["zero_shot.clip_text", "mask2former.in_vocabulary"] and result.evidence.neighbours is None
    alone = {**settings, "components": {"classifiers": ["retrieval.vote"]}}
    with retclip.open(missing_ok=True, settings=alone) as memory, pytest.raises(StoreMissing):
        memory.segment(built.photos / "train_0_0000.png", "sky, grass")
