"""Memory and time of opening a large COCO JSON, beside Python's own parser.

    python benchmarks/coco_json.py [--megabytes 200] [--folder DIR]

Writes an instances and a panoptic JSON of random polygons and segments, as long a photo as COCO's, and opens each in a
process of its own: peak memory above that before, in sizes of the file, and seconds of the processor.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = "import sys, pathlib, coco_json; coco_json.measured(sys.argv[1], pathlib.Path(sys.argv[2]))"
BYTES = {"instances": 3965, "panoptic": 1420}  # of a photo with its annotations


def photo(number: int) -> dict[str, Any]:
    """An image record as long as COCO's."""
    name = f"{number:012}.jpg"
    address = f"http://images.cocodataset.org/train2017/{name}"
    flickr = f"http://farm9.staticflickr.com/8186/{number}_z.jpg"
    return {
        "license": 1, "file_name": name, "coco_url": address, "height": 480, "width": 640,
        "date_captured": "2013-11-14 11:18:45", "flickr_url": flickr, "id": number,
    }  # fmt: skip


def instances(photos: int) -> Iterator[dict[str, Any]]:
    """Objects of one or two polygons, seven a photo."""
    for number in range(7 * photos):
        rings = [2 * max(3, int(random.lognormvariate(2.9, 0.6))) for _ in range(random.choice((1, 1, 1, 2)))]
        polygons = [[round(random.uniform(0, 640), 2) for _ in range(length)] for length in rings]
        box = [round(random.uniform(0, 640), 2) for _ in range(4)]
        place = {"image_id": random.randrange(photos), "category_id": 1 + random.randrange(80), "id": number}
        yield {"segmentation": polygons, "area": random.uniform(10, 9e4), "iscrowd": 0, "bbox": box, **place}


def panoptic(photos: int) -> Iterator[dict[str, Any]]:
    """Annotations of five to seventeen segments."""
    for number in range(photos):
        segments = [
            {"id": random.randrange(1, 1 << 24), "category_id": 1 + random.randrange(80), "iscrowd": 0,
             "bbox": [random.randrange(640) for _ in range(4)], "area": random.randrange(90000)}
            for _ in range(random.randrange(5, 18))
        ]  # fmt: skip
        yield {"segments_info": segments, "file_name": f"{number:012}.png", "image_id": number}


def write(file: Path, kind: str, megabytes: int) -> None:
    """Write the JSON of a kind, record by record."""
    photos = int(megabytes * 1e6 / BYTES[kind])
    categories = [{"id": number + 1, "name": f"class {number}", "isthing": 1} for number in range(80)]
    annotations = instances(photos) if kind == "instances" else panoptic(photos)
    with file.open("w") as stream:
        stream.write(f'{{"categories": {json.dumps(categories)}')
        for name, records in (("images", map(photo, range(photos))), ("annotations", annotations)):
            stream.write(f', "{name}": [')
            stream.writelines((", " if n else "") + json.dumps(record) for n, record in enumerate(records))
            stream.write("]")
        stream.write("}")


def measured(kind: str, file: Path) -> None:
    """Open the file, and print a row. kind: instances, panoptic, or json for Python's parser."""
    from retclip.data.readers.coco.coco_instances import CocoInstances
    from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings

    chosen = CocoPanopticSettings(path=str(file.parent), annotations=str(file), images=str(file.parent))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    kept = json.loads(file.read_bytes()) if kind == "json" else {
        "instances": CocoInstances, "panoptic": CocoPanoptic}[kind](chosen)  # fmt: skip
    seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    size = file.stat().st_size
    print(f"| {file.stem} | {size / 1e6:.0f} | {kind} | {peak * 1024 / size:.2f} | {seconds:.1f} |", flush=True)
    del kept


def main() -> None:
    """Write the files, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="Where the files are written.")
    options = parser.parse_args()
    random.seed(0)
    print("| file | MB | read by | peak / size | processor s |\n|---|---:|---|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(prefix="retclip-coco-", dir=options.folder) as place:
        for kind in BYTES:
            file = Path(place) / f"{kind}.json"
            write(file, kind, options.megabytes)
            for reader in ("json", kind):
                program = "import sys, pathlib, coco_json; coco_json.measured(sys.argv[1], pathlib.Path(sys.argv[2]))"
                subprocess.run(
                    [sys.executable, "-c", program, reader, str(file)], check=True, cwd=Path(__file__).parent
                )
            file.unlink()


if __name__ == "__main__":
    main()
