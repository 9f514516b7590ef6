"""Photos found again after they were changed, and the leakage between two sources that share ten photos.

    python benchmarks/audit_photos.py --data ../shared/data --out /tmp/audit_photos

Figure 2. 200 photos: those of the data packs, and, where they are fewer, left and right halves of COCO's photos. Each
is encoded again (JPEG, quality 60), resized to half, mirrored, cropped by 5 % (a fortieth at each side), and compared
with the hashes of all 200 as `retclip audit duplicates` compares them. Found: the photo itself is within the
bits that the audit allows.
False alarms: other photos that are; frames of one drive of CamVid, which do look alike, are counted apart.
Leakage: a store of 50 photos, and an evaluation folder of 40 others and ten of these, encoded again.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from real_photos import arguments, take_folder

import retclip
from retclip.algorithms.photo_hash import NEAR, SIDE, differing_bits, photo_hash
from retclip.data.images import resized
from retclip.workflows.audit.duplicates import GREY

Photo = Pillow.Image
WANTED = 200


def encoded(photo: Photo) -> Photo:
    """The photo as a JPEG of quality 60 shows it."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=60)
    return Pillow.open(buffer).convert("RGB")


def cropped(photo: Photo) -> Photo:
    """Without a fortieth at each side."""
    x, y = round(photo.width / 40), round(photo.height / 40)
    return photo.crop((x, y, photo.width - x, photo.height - y))


CHANGES: dict[str, Callable[[Photo], Photo]] = {
    "encoded again": encoded,
    "resized to half": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "mirrored": lambda photo: photo.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT),
    "cropped by 5 %": cropped,
}


def hashes(photo: Photo) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The hash of a photo, and of its mirror image, as the audit makes them."""
    grey = resized(np.asarray(photo), (SIDE, SIDE)).astype(np.float32) @ GREY
    return photo_hash(grey), photo_hash(grey[:, ::-1])


def photos(data: Path) -> tuple[list[tuple[str, Photo]], int]:
    """(name, photo) of 200 photos, and how many of them are halves."""
    files = sorted(file for folder in ("photos", "coco_panoptic/images", "coco_panoptic_sample/images", "camvid")
                   for file in (data / folder).rglob("*.jpg"))  # fmt: skip
    whole = [(str(file.relative_to(data)), Pillow.open(file).convert("RGB")) for file in files]
    halves = []
    for name, photo in whole:
        if name.startswith("coco_panoptic/"):
            middle = photo.width // 2
            halves += [(f"{name} left", photo.crop((0, 0, middle, photo.height))),
                       (f"{name} right", photo.crop((middle, 0, photo.width, photo.height)))]  # fmt: skip
    more = halves[: max(0, WANTED - len(whole))]
    return [*whole, *more][:WANTED], len(more)


def figure(found: list[tuple[str, Photo]]) -> dict[str, Any]:
    """Found photos and false alarms for each change."""
    names = [name for name, _ in found]
    drive = np.array(
        [name.split("/")[-1][:4] if name.startswith("camvid") else f"#{n}" for n, name in enumerate(names)]
    )
    plain = np.stack([hashes(photo)[0] for _, photo in found])
    answer: dict[str, Any] = {}
    for change, changed in CHANGES.items():
        pairs = [hashes(changed(photo)) for _, photo in found]
        bits = np.minimum(*(differing_bits(np.stack(part), plain) for part in zip(*pairs, strict=True)))
        near = bits <= NEAR
        other = near & ~np.eye(len(found), dtype=bool)
        same_drive, pairs_in_all = drive[:, None] == drive[None], len(found) * (len(found) - 1)
        answer[change] = {"found": int(near.diagonal().sum()), "false_alarms": int((other & ~same_drive).sum()),
                          "pairs": pairs_in_all, "frames_of_one_drive": int((other & same_drive).sum()),
                          "largest_bits_of_its_own": int(bits.diagonal().max())}  # fmt: skip
    return answer


def leakage(found: list[tuple[str, Photo]], out: Path) -> dict[str, Any]:
    """The photos that two sources share, as the audit names them."""
    apart = [photo for name, photo in found if not name.startswith("camvid") and " " not in name]
    stored, asked = out / "stored" / "photo", out / "asked"
    for folder in (stored, asked):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    half = (len(apart) - 10) // 2
    for number, photo in enumerate(apart[: half + 10]):
        photo.save(stored / f"{number}.jpg", quality=95)
    for number, photo in enumerate(apart[half : half + 10]):
        encoded(photo).save(asked / f"shared{number}.jpg")
    for number, photo in enumerate(apart[half + 10 :]):
        photo.save(asked / f"new{number}.jpg", quality=95)
    shutil.rmtree(out / "store", ignore_errors=True)
    settings = {"build": {"proposer": "reference.whole_image"}}
    with retclip.open(out / "store", settings=settings, preset="appearance", create=True) as memory:
        memory.classes.add("photo", str(stored), thing=False)
        answer = memory.audit.duplicates(against=memory.source(str(asked)))
    named = [photo.external_id for photo in answer.leaked or ()]
    return {"stored": answer.compared, "asked": answer.other, "shared": 10,
            "shared_named": sum(name.startswith("shared") for name in named),
            "others_named": sum(not name.startswith("shared") for name in named)}  # fmt: skip


def main() -> None:
    """Run both and write them down."""
    given = arguments(__doc__, "/tmp/retclip_audit_photos").parse_args()
    take_folder(given.out)
    found, halves = photos(given.data)
    answer = {"photos": len(found), "halves_among_them": halves, "changes": figure(found)}
    answer["leakage"] = leakage(found, given.out)
    (given.out / "audit_photos.json").write_text(json.dumps(answer, indent=1), encoding="utf-8")
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
