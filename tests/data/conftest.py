"""Small data sets that are sound until a test damages them, what damages them, and how a refusal is checked."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.errors import DataError
from retclip.passed_over import passed_over_by

SPEC = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
HOSTILE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(HOSTILE)
PHOTO = np.full((4, 6, 3), 90, np.uint8)
IDS = np.array([[0, 7, 7, 7, 300, 300]] * 4, np.int32)  # void, a cat of 12 pixels, the sky of 8
LABELS = np.array([[0, 0, 1, 9, 1, 1]] * 4, np.uint8)  # sky, a car, void, another car


class Folder:
    """A data set on disk and its JSON document, to be damaged and written again."""

    def __init__(self, root: Path, file: str, document):
        self.root, self.file, self.document = root, root / file, document
        self.save()

    def save(self, document=None):
        """Write the document, or another one, as JSON."""
        self.raw(json.dumps(self.document if document is None else document))

    def raw(self, text):
        """Write text or bytes in the place of the JSON."""
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def png(self, name, pixels):
        """Write an image below the folder."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.asarray(pixels)).save(self.root / name)


def colours(ids):
    """Ids as COCO panoptic colours."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


@pytest.fixture
def coco(tmp_path) -> Folder:
    """panoptic.json, panoptic/a.png and b.png, images/a.png and b.png."""
    segments = [{"id": 7, "category_id": 1}, {"id": 300, "category_id": 2, "iscrowd": 1}]
    document = {
        "images": [{"id": 10, "file_name": "a.png"}, {"id": 11, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}],
        "annotations": [
            {"image_id": 10, "file_name": "a.png", "segments_info": segments},
            {"image_id": 11, "file_name": "b.png", "segments_info": [dict(one) for one in segments]},
        ],
    }
    folder = Folder(tmp_path, "panoptic.json", document)
    for name in "ab":
        folder.png(f"images/{name}.png", PHOTO)
        folder.png(f"panoptic/{name}.png", colours(IDS))
    return folder


@pytest.fixture
def street(tmp_path) -> Folder:
    """classes.json, images/a.png and b.png, labels/a.png and b.png."""
    classes = [{"id": 0, "name": "Sky", "isthing": 0}, {"id": 1, "name": "Car", "isthing": 1, "prompt_names": ["auto"]}]
    folder = Folder(tmp_path, "classes.json", {"classes": classes, "void_id": 9})
    for name in "ab":
        folder.png(f"images/{name}.png", PHOTO)
        folder.png(f"labels/{name}.png", LABELS)
    return folder


@pytest.fixture(scope="session")
def hostile():
    """The module of hostile files."""
    return HOSTILE


@pytest.fixture(params=[*HOSTILE.BAD, *HOSTILE.SPECIAL])
def bad_name(request):
    """Each hostile file that must be refused."""
    return request.param


@pytest.fixture(params=list(HOSTILE.GOOD))
def good_name(request):
    """Each hostile file that is only odd."""
    return request.param


@pytest.fixture(scope="session")
def refused():
    """`refused(work, *words)`: the work must raise a DataError of three parts that holds the words."""

    def check(work, *words):
        with pytest.raises(DataError) as caught:
            work()
        error = caught.value
        assert all(part.strip() for part in (error.expected, error.got, error.todo))
        for word in words:
            assert word in str(error)

    return check


@pytest.fixture(scope="session")
def told():
    """`told(opened)`: everything that a source says of what it cannot use: why it is refused when it is opened, why an
    image is when it is loaded, and the parts that it lists."""

    def collect(opened):
        try:
            source = opened()
            said = [part.reason for part in passed_over_by(source).bad]
            for record in source.images():
                try:
                    said += [part.reason for part in record.load().passed_over.bad]
                except DataError as error:
                    said.append(str(error))
        except DataError as error:
            assert all(part.strip() for part in (error.expected, error.got, error.todo))
            return [str(error)]
        return said

    return collect


@pytest.fixture(scope="session")
def photo():
    """`photo(root, *names)`: small black photos below a folder, which it gives back."""

    def write(root, *names):
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(root / name)
        return root

    return write
