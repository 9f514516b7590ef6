"""The paper's backbones at full size, with random weights: one photo end to end, seconds and peak memory.

    python benchmarks/full_size_models.py [--photo FILE] [--device cpu|cuda] [--dtype float32|bfloat16] [--side 640]

Each model runs in a process of its own, so that peaks do not add up. ConvNeXt-Large and RN50x64 carry FC-CLIP's mask
queries (250, six and nine layers) and its in-vocabulary head; the ViTs get superpixels, and ViT-L/14 once the masks of
SAM ViT-B at 16 x 16 points. The answers mean nothing; that they are finite, whole and of the right shape is checked.
Figures go to benchmarks/results/ as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORDS = ["sky", "tree", "person", "car", "building", "road", "grass", "water", "dog", "chair"]
HEADS = {"openclip.convnext_large": ((192, 384, 768, 1536), 768), "openclip.rn50x64": ((512, 1024, 2048, 4096), 1024)}
SAM = "openclip.vit_l_14+sam_vit_b"
SYSTEMS = (*HEADS, "openclip.vit_b_16", "openclip.vit_l_14", SAM)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """One process per model; the figures as a table and a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", help="a photo (default: noise of 480 x 640)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--side", type=int, default=0, help="shorter side of the input (default: each model's own)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=SYSTEMS, help="run one model in this process and print its figures")
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(run(chosen.only, chosen)))
        return
    rows = []
    for name in SYSTEMS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"full_size_{chosen.device}_{chosen.dtype}.json"
    file.write_text(
        json.dumps({"machine": platform.processor() or platform.machine(), "models": rows}, indent=1) + "\n"
    )


def run(system: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Load, segment, time."""
    import numpy as np
    import torch

    import retclip

    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(system, Path(folder), chosen)
        image: Any = chosen.photo or np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
        start = time.perf_counter()
        with retclip.open(Path(folder) / "none", settings=settings, missing_ok=True) as memory:
            memory.session.segmenter()
            loaded = time.perf_counter()
            result = memory.segment(image, WORDS)
            first = time.perf_counter()
            for _ in range(chosen.repeats):
                memory.segment(image, WORDS)
            if chosen.device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds = (time.perf_counter() - first) / max(1, chosen.repeats)
            weights = memory.session.segmenter().backbone.component
            parameters = sum(one.numel() for one in weights.model.parameters())
        if not bool(torch.isfinite(result.evidence.combined).all()):
            sys.exit(f"{system}: scores that are not finite")
        if result.label_map.shape != result.image.size:
            sys.exit(f"{system}: a map of {result.label_map.shape} for a photo of {result.image.size}")
        peak = torch.cuda.max_memory_allocated() if chosen.device.startswith("cuda") else rss()
    return {
        "system": system, "parameters_millions": round(parameters / 1e6, 1), "device": chosen.device,
        "dtype": chosen.dtype, "photo": list(result.image.size), "masks": len(result.evidence.void),
        "load_seconds": round(loaded - start, 2), "first_seconds": round(first - loaded, 2),
        "seconds_per_image": round(seconds, 2), "images_per_second": round(1 / seconds, 3),
        "peak_gigabytes": round(peak / 1e9, 2),
    }  # fmt: skip


def settings_of(system: str, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Settings of a run without a store: CLIP's text scores, and FC-CLIP's half where the backbone has maps."""
    backbone = system.partition("+")[0]
    name = backbone.partition(".")[2]
    model: dict[str, Any] = {"pretrained": "random"}
    if chosen.side:
        model |= {"short_side": chosen.side, "long_side": 2 * chosen.side}
    plugin: dict[str, Any] = {"openclip": {name: model}}
    components: dict[str, Any] = {"backbone": backbone, "classifiers": ("zero_shot.clip_text",)}
    if backbone in HEADS:
        from retclip_mask2former.checkpoint import save_head
        from retclip_mask2former.head import HeadShape, MaskHead

        channels, embed = HEADS[backbone]
        head = {"weights": str(folder / "head.safetensors")}
        save_head(MaskHead(HeadShape(channels=channels, embed=embed)), folder / "head.safetensors", WORDS[:5])
        components |= {"proposer": "mask2former.queries"}
        components["classifiers"] = ("zero_shot.clip_text", "mask2former.in_vocabulary")
        plugin["mask2former"] = {"queries": head, "in_vocabulary": head}
    if system == SAM:
        from safetensors.torch import save_file
        from segment_anything import sam_model_registry

        file = folder / "sam.safetensors"
        save_file(sam_model_registry["vit_b"]().state_dict(), file)
        loose = {"points_per_side": 16, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9}
        plugin["grounded_sam"] = {"grid": {"sam": str(file), **loose}}
        components["proposer"] = "grounded_sam.grid"
    device = {"name": chosen.device, "dtype": chosen.dtype}
    return {"components": components, "plugin": plugin, "device": device}


def rss() -> int:
    """Peak resident bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
