"""Writes scenes as a COCO panoptic data set with captions, for any other program.

    python -m retclip_miniature.export OUT_FOLDER --split train --count 2000 [--style drawing] [--classes seen]

OUT_FOLDER then holds images/SPLIT/*.png, panoptic_SPLIT/*.png, panoptic_SPLIT.json and captions_SPLIT.json (COCO's
form); `coco-panoptic:OUT_FOLDER?split=SPLIT` reads it back with the same maps as `miniature.scenes`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from retclip.data.panoptic_writer import PanopticWriter
from retclip.errors import RetCLIPError
from retclip.own_files import claim_folder
from retclip_miniature import ScenesSettings
from retclip_miniature.captions import caption
from retclip_miniature.scenes import SPLITS, Scenes

if TYPE_CHECKING:
    from retclip.types import PanopticSegmentation

CAPTIONS_A_SCENE = 2


def export(settings: ScenesSettings, out: Path) -> None:
    """Write the scenes that the settings describe; their `path` is not used. Raises DataError where `out` cannot be
    written, ConfigError where it holds another data set."""
    claim_folder(out, "export", "OUT_FOLDER")
    split = settings.split
    scenes = Scenes(settings.model_copy(update={"path": out / "images" / split, "labels": "masks"}))
    writer = PanopticWriter(out, scenes.classes(), f"panoptic_{split}")
    photos: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    for number, record in enumerate(scenes.images(), start=1):
        truth = cast("PanopticSegmentation", record.load().truth)
        name = Path(record.uri).name
        writer.add(record.external_id, truth, photo=name)
        photos.append({"id": number, "file_name": name, "height": settings.height, "width": settings.width})
        rng = np.random.default_rng([SPLITS.index(split), settings.seed, number, CAPTIONS_A_SCENE])
        for _ in range(CAPTIONS_A_SCENE):
            text = caption(rng, truth, settings.style)
            captions.append({"id": len(captions) + 1, "image_id": number, "caption": text})
    writer.close()
    document = {"images": photos, "annotations": captions}
    (out / f"captions_{split}.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def main() -> None:
    """The command line; every option is a setting of `miniature.scenes`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, field in ScenesSettings.model_fields.items():
        if name not in ("path", "labels"):
            parser.add_argument(f"--{name}", default=field.default, help=field.description)
    arguments = vars(parser.parse_args())
    try:
        export(
            ScenesSettings(path=arguments["out"], **{key: arguments[key] for key in arguments if key != "out"}),
            arguments["out"],
        )
    except RetCLIPError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
