"""Photos with marked objects as a source: what becomes annotation, what becomes regions."""

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from retclip.data.readers.regions.regions import Regions, RegionsSettings
from retclip.passed_over import TURNED_STORED
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager
from retclip.regions import Point, Region


def photo(path, size=(6, 10), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((*size, 3), 90, np.uint8)).save(path, **options)
    return path


def opened(folder, text=None, kind="boxes", **settings):
    if text is not None:
        (folder / "marks.csv").write_text(text)
        settings[kind] = str(folder / "marks.csv")
    settings.setdefault("path", str(folder / "photos"))
    return Regions(RegionsSettings(**settings))


BOXES = "image,x,y,width,height\na.png,1,1,8,4\na.png,2,2,3,2\nb.png,0,0,10,6\n"


def test_a_box_is_its_filled_rectangle_and_a_region(tmp_path):
    photo(tmp_path / "photos/a.png"), photo(tmp_path / "photos/b.png"), photo(tmp_path / "photos/c.png")
    source = opened(tmp_path, BOXES, shows="red fox")
    assert (source.name, len(source)) == ("photos", 3)
    assert [(one.name, one.is_thing) for one in source.classes()] == [("red fox", None)]
    records = list(source.images())
    assert [(one.external_id, one.class_names) for one in records] == [
        ("a.png", ("red fox",)), ("b.png", ("red fox",)), ("c.png", ()),
    ]  # fmt: skip
    first = records[0].load()
    assert first.regions == (Region("red fox", (1, 1, 9, 5)), Region("red fox", (2, 2, 5, 4)))
    wanted = np.zeros((6, 10), int)
    wanted[1:5, 1:9], wanted[2:4, 2:5] = 1, 2  # the smaller lies on the larger
    assert (first.truth.label_map == wanted).all()
    assert [(one.class_name, one.area) for one in first.truth.segments] == [("red fox", 26), ("red fox", 6)]
    assert records[2].load().regions == () and not records[2].load().truth.segments


def test_fractions_of_pixels_are_filled_outwards_and_a_pixel_too_far_is_cut(tmp_path):
    photo(tmp_path / "photos/a.png")
    (record,) = opened(
        tmp_path, "image,x,y,width,height\na.png,3.4,2.2,0.2,0.3\na.png,5,-1,6,7.5\n", shows="fox"
    ).images()
    image = record.load()
    assert image.regions[1].box == (5, 0, 10, 6)
    assert (image.truth.label_map == 1).nonzero() == (np.array([2]), np.array([3]))


def test_points_are_regions_and_no_annotation(tmp_path):
    photo(tmp_path / "photos/a.png")
    source = opened(tmp_path, "image,x,y,positive\na.png,9.9,5.9,1\na.png,0,0,0\n", "points", shows="fox")
    image = next(source.images()).load()
    assert image.truth is None
    assert image.regions == (Region("fox", None, (Point(9.9, 5.9), Point(0, 0, positive=False))),)


def test_a_mask_is_the_annotation_itself_and_one_object(tmp_path):
    mask = np.zeros((6, 10), np.uint8)
    mask[0, 0], mask[4:, 7:] = 255, 1
    photo(tmp_path / "photos/a.jpg"), photo(tmp_path / "photos/b.png")
    Pillow.fromarray(mask).save(tmp_path / "photos/a_mask.png")
    Pillow.fromarray(255 - mask).save(tmp_path / "photos/b_mask.png")
    source = opened(tmp_path, masks=str(tmp_path / "photos"), shows="fox")
    assert [one.external_id for one in source.images()] == ["a.jpg", "b.png"], "masks are no photos"
    first, second = (one.load() for one in source.images())
    assert ((first.truth.label_map > 0) == (mask > 0)).all() and len(first.truth.segments) == 1
    assert first.regions == () and second.truth.segments[0].class_name == "fox"


def test_photos_are_known_by_place_name_or_whole_path(tmp_path):
    photo(tmp_path / "photos/one/a.png"), photo(tmp_path / "photos/two/a.png"), photo(tmp_path / "photos/two/b.png")
    rows = f"one/a.png,1,1,1,1\nb.png,1,1,1,1\n{tmp_path}/photos/two/a.png,1,1,1,1\n"
    source = opened(tmp_path, "image,x,y,width,height\n" + rows, shows="fox", recursive=True)
    assert [len(one.load().regions) for one in source.images()] == [1, 1, 1]


def test_several_photos_are_one_source_and_the_file_says_the_classes(tmp_path):
    paths = [str(photo(tmp_path / name)) for name in ("x/a.png", "y/b.png")]
    text = "image,x,y,width,height,class\nb.png,1,1,1,1,Owl\na.png,1,1,1,1,fox\na.png,2,2,1,1,owl\n"
    source = opened(tmp_path, text, path=paths)
    assert [one.name for one in source.classes()] == ["Owl", "fox"]
    assert [one.class_names for one in source.images()] == [("Owl", "fox"), ("Owl",)]
    assert {one.class_name for one in next(source.images()).load().regions} == {"Owl", "fox"}


def test_coordinates_are_those_of_the_upright_photo(tmp_path):
    exif = Pillow.Exif()
    exif[274] = 6  # to be turned by 90 degrees: 6 high and 10 wide becomes 10 high and 6 wide
    photo(tmp_path / "photos/a.jpg", exif=exif)
    image = next(opened(tmp_path, "image,x,y,width,height\na.jpg,0,6,6,4\n", shows="fox").images()).load()
    assert image.size == (10, 6) and image.truth.label_map[6:].all() and not image.truth.label_map[:6].any()


def test_what_is_marked_otherwise_is_another_annotation(tmp_path):
    photo(tmp_path / "photos/a.png"), photo(tmp_path / "photos/b.png")
    first = [one.annotation_digest for one in opened(tmp_path, BOXES, shows="fox").images()]
    again = [one.annotation_digest for one in opened(tmp_path, BOXES, shows="fox").images()]
    moved = [
        one.annotation_digest for one in opened(tmp_path, BOXES.replace("2,2,3,2", "2,2,3,3"), shows="fox").images()
    ]
    assert first == again and (first[0] != moved[0]) and first[1] == moved[1]
    mask = tmp_path / "m.png"
    Pillow.fromarray(np.ones((6, 10), np.uint8)).save(mask)
    given = {"path": str(tmp_path / "photos/a.png"), "masks": str(mask), "shows": "fox"}
    one = next(opened(tmp_path, **given).images()).annotation_digest
    Pillow.fromarray(np.eye(6, 10, dtype=np.uint8)).save(mask)
    assert next(opened(tmp_path, **given).images()).annotation_digest != one


def test_it_keeps_its_contract(tmp_path):
    photo(tmp_path / "photos/a.png"), photo(tmp_path / "photos/b.png")
    (tmp_path / "marks.csv").write_text(BOXES)
    given = {"path": str(tmp_path / "photos"), "boxes": str(tmp_path / "marks.csv"), "shows": "fox"}
    found = check_component(PluginManager.discover().find("source", "data.regions"), given)
    assert [one for one in found if one.ok is False] == [] and len(found) >= 3


@pytest.mark.parametrize(
    "settings",
    [{}, {"boxes": "a.csv", "points": "b.csv"}, {"masks": "m"}, {"boxes": "a.csv", "split": "val"}, {"path": []}],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="validation error"):
        RegionsSettings(**{"path": "photos", **settings})


@pytest.mark.parametrize("kind", ["boxes", "points"])
def test_a_row_of_another_photo_of_that_name_is_none_of_this_one(tmp_path, kind):
    (tmp_path / "front").mkdir()
    Pillow.fromarray(np.zeros((6, 10, 3), np.uint8)).save(tmp_path / "front" / "1.png")
    text = "image,x,y,width,height\nfront\\1.png,1,1,2,2\n1.png,4,1,3,3\n"
    (tmp_path / "marks.csv").write_text(text)
    settings = RegionsSettings(path=str(tmp_path), recursive=True, shows="fox", **{kind: str(tmp_path / "marks.csv")})
    source = Regions(settings)
    assert len(next(source.images()).load().regions) == 1
    assert [part.record for part in source.passed_over().bad] == [f"row 3 of {tmp_path / 'marks.csv'}"]


def test_a_box_that_lies_outside_costs_that_box(tmp_path):
    Pillow.fromarray(np.zeros((6, 10, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\na.png,1,1,2,2\na.png,8,1,9,2\n")
    source = Regions(RegionsSettings(path=str(tmp_path), shows="fox", boxes=str(tmp_path / "boxes.csv")))
    image = next(source.images()).load()
    assert [one.box for one in image.regions] == [(1, 1, 3, 3)] and len(image.truth.segments) == 1
    assert [part.record for part in image.passed_over.bad] == [f"row 3 of {tmp_path / 'boxes.csv'}"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_points_and_masks_of_the_stored_pixels_are_turned_with_their_photo(tmp_path, orientation):
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.zeros((6, 10, 3), np.uint8)
    stored[1:3, 2:5] = 255
    (tmp_path / "masks").mkdir()
    Pillow.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    Pillow.fromarray(stored[..., 0]).save(tmp_path / "masks" / "a.png")
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\na.png,2,1,3,2\n")
    (tmp_path / "points.csv").write_text("image,x,y\na.png,4,1\n")

    def image(frame, **marks):
        given = {key: str(tmp_path / name) for key, name in marks.items()}
        settings = RegionsSettings(path=str(tmp_path / "a.png"), shows="fox", orientation=frame, **given)
        record = next(Regions(settings).images())
        return record.load(), record.annotation_digest

    boxed, digest = image("stored", boxes="boxes.csv")
    white = boxed.pixels[..., 0] == 255
    assert np.array_equal(boxed.truth.label_map == 1, white)
    x0, y0, x1, y1 = map(int, boxed.regions[0].box)
    assert white[y0:y1, x0:x1].all() and white.sum() == (x1 - x0) * (y1 - y0)
    masked, _ = image("stored", masks="masks")
    assert np.array_equal(masked.truth.label_map == 1, white)
    pointed, _ = image("stored", points="points.csv")
    (point,) = pointed.regions[0].points
    assert white[int(point.y), int(point.x)]
    told = {TURNED_STORED: 1} if orientation > 1 else {}
    assert boxed.passed_over.assumed == pointed.passed_over.assumed == told  # tables say no size
    if orientation < 5:  # else the upright frame does not fit
        assert digest != image("upright", boxes="boxes.csv")[1]


def test_a_list_says_what_is_marked_and_stuff_is_one_segment(tmp_path):
    photo(tmp_path / "photos/a.png"), photo(tmp_path / "photos/b.png")
    (tmp_path / "kinds.txt").write_text("grass | stuff\n")
    source = opened(tmp_path, BOXES, shows="grass", isthing=str(tmp_path / "kinds.txt"))
    assert [(one.name, one.is_thing) for one in source.classes()] == [("grass", False)]
    (segment,) = next(source.images()).load().truth.segments
    assert (segment.is_thing, segment.area) == (False, 32)
