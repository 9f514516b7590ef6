"""SAM's automatic masks beside segment-anything's generator, the same random weights: seconds and peak memory.

    python benchmarks/sam_grid.py [--photo FILE] [--points 16] [--kept 0.3]

Each runs in a process of its own, one thread unless OMP_NUM_THREADS says otherwise, so that peaks do not add up. SAM
ViT-B; a random SAM predicts an IoU of about 0 for everything, so its prediction is moved and the threshold set where
`--kept` of the masks stay, as published weights would leave some. Prints one JSON line; asserts that the masks agree.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

LOOSE = {"stability_score_thresh": 0.0, "box_nms_thresh": 1.0}  # a random SAM's boxes are the whole photo
EQUAL = 0.9999  # share of the pixels; at a threshold rounding decides
SIZE = 768, 1024  # of the noise where no photo is named


def main() -> None:
    """Both in processes of their own, compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", help="a photo (default: noise)")
    parser.add_argument("--points", type=int, default=16, help="points along each side")
    parser.add_argument("--kept", type=float, default=0.3, help="share of the masks above the threshold")
    parser.add_argument("--threshold", type=float, help="of the predicted IoU (default: found once)")
    parser.add_argument("--only", choices=("threshold", "generator", "retclip"), help="one part in this process")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(run(asked)))
        return
    threshold = part("threshold", [])["threshold"]
    rows = {name: part(name, ["--threshold", str(threshold)]) for name in ("generator", "retclip")}
    generator, ours = (np.unpackbits(np.frombuffer(bytes.fromhex(row.pop("bits")), np.uint8)) for row in rows.values())
    keys = "encoder_cpu_s", "cpu_s", "peak_gb"
    ratios = {key: rows["generator"][key] / rows["retclip"][key] for key in keys}
    equal = float((generator == ours).mean())  # of every sixteenth row and column
    print(json.dumps({**rows, "ratios": ratios, "equal": equal}))
    assert equal > EQUAL, f"{equal:.6f} of the pixels agree"


def part(name: str, more: list[str]) -> dict[str, Any]:
    """What a process of its own printed."""
    command = [sys.executable, __file__, *sys.argv[1:], *more, "--only", name]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Encode the photo, then make the masks; a second time, which counts."""
    import torch
    from PIL import Image as Pillow
    from retclip_grounded_sam import GridSettings
    from retclip_grounded_sam.automatic_masks import AutomaticMasks
    from retclip_grounded_sam.sam import quick
    from retclip_grounded_sam.sam_masks import SamMasks
    from segment_anything import SamAutomaticMaskGenerator, SamPredictor, sam_model_registry

    from retclip.types import Device

    torch.manual_seed(0)
    sam = sam_model_registry["vit_b"]().eval().requires_grad_(False)
    sam.mask_decoder.iou_prediction_head.layers[-1].bias += 0.5
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    pixels = np.asarray(Pillow.open(asked.photo).convert("RGB")) if asked.photo else noise
    settings = {"points_per_side": asked.points, "pred_iou_thresh": asked.threshold or 0.0, **LOOSE}
    with torch.inference_mode():
        if asked.only == "threshold":
            _, quality = AutomaticMasks(SamMasks(sam, Device()), GridSettings(**settings)).masks(pixels)
            return {"threshold": float(quality.quantile(1 - asked.kept))}
        if asked.only == "retclip":
            automatic = AutomaticMasks(SamMasks(quick(sam), Device()), GridSettings(**settings, side=max(pixels.shape)))
            work = lambda: automatic.masks(pixels)[0].bool().numpy()  # noqa: E731
        else:
            generator = SamAutomaticMaskGenerator(sam, **settings)
            work = lambda: np.stack([  # noqa: E731
                each["segmentation"] for each in sorted(generator.generate(pixels), key=lambda m: -m["predicted_iou"])
            ])  # fmt: skip
        start = time.process_time()
        SamPredictor(sam).set_image(pixels)
        encoder = time.process_time() - start
        start = time.process_time()
        masks = work()
        whole = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {
        "masks": len(masks), "encoder_cpu_s": encoder, "cpu_s": whole, "peak_gb": peak,
        "bits": np.packbits(masks[:, ::16, ::16]).tobytes().hex(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
