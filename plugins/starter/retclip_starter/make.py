"""Makes the starter memory from COCO's panoptic annotation and its photos.

    python -m retclip_starter.make COCO plugins/starter

COCO holds `panoptic_train.json`, `panoptic_train/` and `images/train/`. Of its photos those count that may be used and
changed by anybody: CC BY, CC BY-SA, no known restrictions, works of the United States government. Never a photo under a
non-commercial or no-derivatives licence, and none of a validation split, so that val stays unseen.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import retclip

FREE = (
    "creativecommons.org/licenses/by/", "creativecommons.org/licenses/by-sa/", "flickr.com/commons/usage",
    "usa.gov/copyright",
)  # fmt: skip
FLICKR = re.compile(r"staticflickr\.com/\d+/(\d+)_")  # the photo's number, from which Flickr's page leads to its author
MATERIALS = {"wood": "wooden", "tile": "tiled"}  # "wall-wood" is a wooden wall, "wall-brick" a brick wall
ANNOTATED = {"build": {"proposer": "reference.ground_truth"}}  # whole objects: patches would be 12 MB
HEAD = """The starter memory of RetCLIP
=============================

retclip_starter/coco.zip holds, of the photos below, vectors of a network (timm.lite0), masks as run lengths, labels.
It holds no photo. Masks and labels are from the panoptic annotations of COCO 2017 (train), Copyright (c) the COCO
Consortium, licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/): Lin et al., Microsoft COCO: Common
Objects in Context, 2014; Kirillov et al., Panoptic Segmentation, 2019. Changes: turned into run lengths, crowd regions
left out.

The photos are by members of Flickr. COCO states address and licence of each, not its author's name: the page names the
author, where the photo is still there.

"""


def is_free(licence: Mapping[str, Any]) -> bool:
    """Tell whether anybody may use and change what is under that licence of COCO's list."""
    return any(place in str(licence["url"]) for place in FREE)


def free_photos(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return COCO's document with the photos, and their annotations, that anybody may use and change."""
    licences = {licence["id"] for licence in document["licenses"] if is_free(licence)}
    images = [image for image in document["images"] if image["license"] in licences]
    ids = {image["id"] for image in images}
    annotations = [annotation for annotation in document["annotations"] if annotation["image_id"] in ids]
    return {**document, "images": images, "annotations": annotations}


def everyday_name(name: str) -> str:
    """Return what people call a class of COCO's: "sky-other-merged" is sky, "wall-brick" a brick wall."""
    first, *others = name.split("-")
    kinds = [kind for kind in others if kind not in ("other", "merged", "stuff")]
    spelled = {"playingfield": "playing field"}.get(first, first)
    if spelled == "window":
        return " ".join((spelled, *kinds))
    return " ".join((*(MATERIALS.get(kind, kind) for kind in kinds), spelled))


def notice(file: Path) -> str:
    """Return the NOTICE of a class file: of each photo its name, address and licence."""
    with zipfile.ZipFile(file) as archive:
        photos = [json.loads(line) for line in archive.read("photos.jsonl").splitlines()]
    return HEAD + "\n".join(map(_credit, sorted(photos, key=lambda photo: str(photo["id"]))))


def _credit(photo: Mapping[str, str]) -> str:
    number = FLICKR.search(photo["address"])
    page = f"  https://www.flickr.com/photo.gne?id={number[1]}\n" if number else ""
    return f"{photo['id']}\n  {photo['address']}\n{page}  {photo['licence']}\n"


def make(coco: Path, plugin: Path) -> None:
    """Write the class file and the NOTICE of the plugin in that folder."""
    file = plugin / "retclip_starter" / "coco.zip"
    with TemporaryDirectory(prefix="retclip-starter-") as name:
        folder, store = Path(name) / "coco_panoptic", Path(name) / "store"
        (folder / "images").mkdir(parents=True)
        document = json.loads((coco / "panoptic_train.json").read_text(encoding="utf-8"))
        (folder / "panoptic_train.json").write_text(json.dumps(free_photos(document)), encoding="utf-8")
        (folder / "panoptic_train").symlink_to((coco / "panoptic_train").absolute())
        (folder / "images" / "train").symlink_to((coco / "images" / "train").absolute())
        with retclip.open(store, preset="photos", create=True, settings=ANNOTATED) as memory:
            memory.build(f"coco-panoptic:{folder}?split=train")
            for store_class in memory.classes.list():
                if (name := everyday_name(store_class.name)) != store_class.name:
                    memory.classes.rename(store_class.name, name)  # COCO's stays as an alias
            memory.classes.export(file)
    (plugin / "NOTICE").write_text(notice(file), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("coco", type=Path, help="the folder of COCO's annotation and photos")
    parser.add_argument("plugin", type=Path, help="this plugin's folder")
    arguments = parser.parse_args()
    make(arguments.coco, arguments.plugin)
