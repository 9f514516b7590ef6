"""Results on disk: safe names, none lost to another, and what is read back is what was written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from retclip.data.images import read_png
from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.errors import ConfigError, DataError
from retclip.report.result_names import result_names
from retclip.report.result_writer import ResultWriter
from retclip.workflows.explain.evidence_file import load_evidence


@pytest.fixture
def writer(tmp_path, result):
    with ResultWriter(tmp_path / "out", result.evidence.vocabulary) as one:
        yield one


def test_files_read_back_equal(writer, result):
    assert writer.add(result, "scene") == "scene"
    writer.__exit__()
    colours = read_png(writer.folder / "panoptic" / "scene.png").astype(np.int64)
    assert (colours @ [1, 256, 65536] == result.label_map).all()
    assert (np.asarray(Image.open(writer.folder / "overlay" / "scene.png")) == result.overlay()).all()
    panoptic, evidence = load_evidence(writer.folder / "scene.evidence.npz")
    assert (panoptic.label_map == result.label_map).all()
    assert panoptic.segments == result.segments
    assert evidence.vocabulary.names == result.evidence.vocabulary.names


def test_the_json_lists_every_segment_with_its_category(writer, result):
    writer.add(result, "scene")
    writer.__exit__()
    document = json.loads((writer.folder / "panoptic.json").read_text(encoding="utf-8"))
    names = {one["id"]: (one["name"], bool(one["isthing"])) for one in document["categories"]}
    (annotation,) = document["annotations"]
    found = {one["id"]: (*names[one["category_id"]], one["area"]) for one in annotation["segments_info"]}
    assert found == {one.id: (one.class_name, one.is_thing, one.area) for one in result.segments}
    assert document["images"][0]["file_name"] == "train_0_0000.png"
    assert (document["images"][0]["height"], document["images"][0]["width"]) == result.image.size


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a b", "a_b"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("Straße-1", "Straße-1"),
        ("x\x00\n\u202ey", "x_y"),
        ("broken\udc80name", "broken_name"),
        ("...", "image"),
        ("", "image"),
        ("写" * 300, "写" * 66),
        ("l" * 300, "l" * 200),
    ],
)
def test_names_are_made_safe_for_files(writer, result, name, safe):
    assert writer.add(result, name) == safe
    assert (writer.folder / f"{safe}.evidence.npz").is_file()
    assert (writer.folder / "panoptic" / f"{safe}.png").is_file()


def test_equal_names_are_numbered_and_nothing_is_overwritten(writer, result):
    other = replace(result, image=replace(result.image, sha256="f" * 64))
    names = [writer.add(one, "scene") for one in (result, result, result, other, other)]
    digest = result.image.sha256[:8]
    assert names == ["scene", f"scene_{digest}", f"scene_{digest}_2", "scene_ffffffff", "scene_ffffffff_2"]
    assert len(list(writer.folder.glob("*.evidence.npz"))) == 5
    assert len(list((writer.folder / "panoptic").glob("*.png"))) == 5
    assert len(list((writer.folder / "overlay").glob("*.png"))) == 5


def test_a_name_that_looks_like_a_numbered_one_is_no_trap(writer, result):
    digest = result.image.sha256[:8]
    assert [writer.add(result, name) for name in (f"a_{digest}", "a", "a")] == [f"a_{digest}", "a", f"a_{digest}_2"]


def test_a_photo_whose_file_name_is_no_unicode_does_not_cost_the_results(writer, result):
    odd = replace(result, image=replace(result.image, uri="/photos/caf\udce9.jpg"))
    writer.add(odd, "odd")
    writer.__exit__()
    document = json.loads((writer.folder / "panoptic.json").read_text(encoding="utf-8"))
    assert document["images"][0]["file_name"] == "caf\udce9.jpg"


def test_the_json_is_written_even_when_a_later_photo_stops_the_run(tmp_path, result):
    with pytest.raises(RuntimeError), ResultWriter(tmp_path, result.evidence.vocabulary) as one:
        one.add(result, "scene")
        raise RuntimeError
    assert len(json.loads((tmp_path / "panoptic.json").read_text())["annotations"]) == 1


def test_a_result_saves_itself_under_its_photos_name(tmp_path, result):
    assert result.save(tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "train_0_0000.evidence.npz").is_file()
    nameless = replace(result, image=replace(result.image, uri=""))
    nameless.save(tmp_path / "other")
    assert (tmp_path / "other" / f"{result.image.sha256[:12]}.evidence.npz").is_file()


def test_a_later_run_into_the_same_folder_replaces_its_own_photos_only(tmp_path, result):
    """Another photo of the same name keeps its files; the same photo gets new ones."""
    other = replace(result, image=replace(result.image, sha256="e" * 64))
    with ResultWriter(tmp_path, result.evidence.vocabulary) as writer:
        assert writer.add(result, "scene") == "scene"
    with ResultWriter(tmp_path, result.evidence.vocabulary) as writer:
        other = replace(other, evidence=replace(result.evidence, image_sha256="e" * 64))
        assert writer.add(other, "scene") == "scene_eeeeeeee"
    with ResultWriter(tmp_path, result.evidence.vocabulary) as writer:
        assert writer.add(result, "scene") == "scene"
    document = json.loads((tmp_path / "panoptic.json").read_text(encoding="utf-8"))
    assert [one["file_name"] for one in document["annotations"]] == ["scene.png", "scene_eeeeeeee.png"]


def test_a_folder_that_cannot_be_made(tmp_path, result):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="choose another place for --out"):
        ResultWriter(tmp_path / "file" / "out", result.evidence.vocabulary)


def photo(result, uri, digest):
    """The result as one of another photo."""
    image, evidence = (
        replace(result.image, uri=uri, sha256=digest * 64),
        replace(result.evidence, image_sha256=digest * 64),
    )
    return replace(result, image=image, evidence=evidence)


def read_back(folder):
    return [one.external_id for one in CocoPanoptic(CocoPanopticSettings(path=str(folder))).images()]


def test_photos_of_one_name_are_told_apart_and_our_own_reader_reads_them(tmp_path, result):
    several = [
        photo(result, "/data/A/x.jpg", "a"),
        photo(result, "/data/B/x.jpg", "b"),
        photo(result, "/data/B/x.png", "c"),
    ]
    names = result_names([(one.image.uri, "") for one in several])
    with ResultWriter(tmp_path, result.evidence.vocabulary) as writer:
        stems = [writer.add(one, name) for one, name in zip(several, names, strict=True)]
    assert stems == ["A/x", "B/x.jpg", "B/x.png"]
    assert read_back(tmp_path) == ["A/x.jpg", "B/x.jpg", "B/x.png"]
    for stem, one in zip(stems, several, strict=True):
        assert all(path.is_file() for path in writer.files(stem).values())
        assert load_evidence(writer.files(stem)["evidence"])[1].image_sha256 == one.image.sha256


def test_a_later_run_over_another_folder_takes_no_name_away(tmp_path, result):
    for uri, digest in (("/data/A/x.jpg", "a"), ("/data/B/x.jpg", "b"), ("/data/A/x.jpg", "a"), ("/data/A/x.png", "c")):
        photo(result, uri, digest).save(tmp_path)
    assert read_back(tmp_path) == ["x.jpg", "B/x.jpg", "x.png"]
    assert sorted(path.name for path in tmp_path.rglob("*.evidence.npz")) == [
        "x.evidence.npz", "x.evidence.npz", "x.png.evidence.npz",
    ]  # fmt: skip


def test_one_photo_under_several_names_is_readable_too(tmp_path, result):
    for name in ("before", "after", "before"):
        result.save(tmp_path, name)
    assert read_back(tmp_path) == ["train_0_0000.png", "after.png"]


def test_a_folder_of_other_annotations_is_refused(tmp_path, result):
    (tmp_path / "panoptic.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(ConfigError, match=r"which holds panoptic\.json; choose a new folder"):
        result.save(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["panoptic.json"]
