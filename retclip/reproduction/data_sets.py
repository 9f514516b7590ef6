"""The paper's data sets: what each must hold, where it can be had, and where it goes (method.md 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """A data set. what: the files that are needed; how: how to get them; flag: which option names its folder."""

    name: str
    what: str
    how: str
    flag: str

    def where(self, address: str) -> str:
        """Return where its files go. address: reader:path?..."""
        folder = address.partition(":")[2].partition("?")[0]
        return f"{folder} ({self.flag} names another folder)" if self.flag else folder


ADE20K_PAGE = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"
ADE20K_CLASSES = 150
ADE20K_NAMES = "fcclip/data/datasets/ade20k_150_with_prompt_eng.txt of bytedance/fc-clip"
DATA_SETS: Mapping[str, DataSet] = {
    "coco-panoptic": DataSet(
        "ADE20K val, panoptic",
        "images/validation/*.jpg, ade20k_panoptic_val.json and ade20k_panoptic_val/*.png of 2,000 photos",
        f"unpack {ADE20K_PAGE} and the archive annotations_instance of the same site, then run "
        "datasets/prepare_ade20k_pan_seg.py of bytedance/fc-clip, which writes the JSON and the PNGs",
        "--ade20k",
    ),
    "ade20k": DataSet(
        "ADE20K train",
        "images/training/*.jpg, annotations/training/*.png and objectInfo150.txt of 20,210 photos",
        f"unpack {ADE20K_PAGE}",
        "--ade20k",
    ),
    "open-images": DataSet(
        "Open Images train",
        "train/*.jpg, train-annotations-human-imagelabels.csv and class-descriptions.csv",
        "choose photos and tables on https://storage.googleapis.com/openimages/web/download_v7.html",
        "--open-images",
    ),
    "miniature.scenes": DataSet("drawn scenes", "what the plugin draws itself", "pip install retclip-miniature", ""),
}


def data_set_of(address: str) -> DataSet:
    """Return the data set that an address names. address: reader:path?..."""
    reader = address.partition(":")[0]
    return DATA_SETS.get(reader, DataSet(address, "what this address names", "correct the address", ""))
