"""The cross-data-set path at FC-CLIP's size against its plain form with the same weights: seconds, and equal maps.

    python benchmarks/full_size_path.py [--photo FILE] [--rounds 3] [--side 640] [--dtype float32 bfloat16]

ConvNeXt-Large, 250 queries, 133 classes. The weights are random, but "no object" is turned away from what the queries
say, so that all of them compete for the pixels, and none is dropped. Plain form (`plain_fcclip.py`) and product take
turns, so that what else the machine does falls on both; seconds of the processor count, those of the clock stand beside
them. The names' vectors are made before. Also measured: opening the product from a file of 1.4 GB, and its first photo.
Asserts that the maps of float32 agree on 99.5 % of the pixels; in bfloat16 random classes nearly tie, and the share is
printed only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image as Pillow
from plain_fcclip import PlainFCCLIP
from retclip_mask2former.checkpoint import save_head
from retclip_mask2former.head import HeadShape, MaskHead
from safetensors.torch import save_file
from torch import Tensor

import retclip

NAMES = [f"class {number}" for number in range(133)]
TRAINED_ON = NAMES[:64]
AGREEING = 0.995  # share of the pixels


def saved(folder: Path) -> tuple[dict[str, Tensor], MaskHead]:
    """Random weights, written where the product reads them from: CLIP's state, and the head."""
    torch.manual_seed(0)
    clip = open_clip.create_model("convnext_large_d_320", pretrained=None).state_dict()
    clip["logit_scale"] = torch.tensor(100.0).log()  # as in published weights
    save_file({key: value.contiguous() for key, value in clip.items()}, folder / "clip.safetensors")
    head = MaskHead(HeadShape(channels=(192, 384, 768, 1536))).eval().requires_grad_(False)
    return clip, head


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """The photo as the network sees it."""
    height, width = pixels.shape[:2]
    factor = side / min(height, width)
    size = round(width * factor), round(height * factor)
    return np.asarray(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BILINEAR))


def competing(folder: Path, smaller: np.ndarray) -> tuple[PlainFCCLIP, Tensor]:
    """The plain form, with "no object" turned away from what this photo's queries say, and the names' vectors; the
    same weights lie in the folder."""
    clip, head = saved(folder)
    text = torch.nn.functional.normalize(torch.randn(len(NAMES), 768), dim=1)
    plain = PlainFCCLIP(clip, head, text, torch.arange(len(NAMES)), torch.arange(len(NAMES)) < len(TRAINED_ON))
    with torch.inference_mode():
        head.void.copy_(-plain.embeddings(smaller).mean(0, keepdim=True))
    save_head(head, folder / "head.safetensors", TRAINED_ON)
    return plain, text


def opened(folder: Path, side: int, dtype: str, preset: str = "fc-clip", store: Path | None = None) -> Any:
    """The product with the preset of FC-CLIP, without a store; or with another preset and a store, which is made."""
    head = {"weights": str(folder / "head.safetensors")}
    queries = {**head, "precision": "device"}
    model = {
        "pretrained": str(folder / "clip.safetensors"),
        "short_side": side,
        "long_side": 2 * side,
    }
    settings = {
        "plugin": {"openclip": {"convnext_large": model}, "mask2former": {"queries": queries, "in_vocabulary": head}},
        "device": {"name": "cpu", "dtype": dtype},
        "segment": {"overlap_threshold": 0.0},
    }
    if store is not None:
        return retclip.open(store, settings=settings, preset=preset, create=True)
    return retclip.open(folder / "none", settings=settings, preset=preset, missing_ok=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The answer, seconds of the processor, seconds of the clock."""
    clock, processor = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.process_time() - processor, time.perf_counter() - clock


def class_map(result: Any) -> np.ndarray:
    """The class of each pixel by its place in NAMES, -1 = void."""
    classes = np.full(max((segment.id for segment in result.segments), default=0) + 1, -1)
    for segment in result.segments:
        classes[segment.id] = NAMES.index(segment.class_name)
    return classes[result.label_map]


def main() -> None:
    """Measure in turns, compare, print one JSON line per row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, help="a photo (default: noise of 640 x 960)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=640, help="shorter side of the input")
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    asked = parser.parse_args()
    noise = np.random.default_rng(0).integers(0, 256, (640, 960, 3)).astype(np.uint8)
    pixels = np.asarray(Pillow.open(asked.photo).convert("RGB")) if asked.photo else noise
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), pixels, asked)


def measure(folder: Path, pixels: np.ndarray, asked: argparse.Namespace) -> None:
    """Measure one precision after the other."""
    smaller = shrunk(pixels, asked.side)
    plain, text = competing(folder, smaller)
    for dtype in asked.dtype:
        memory, opening, opening_clock = timed(lambda dtype=dtype: opened(folder, asked.side, dtype))
        _, loading, loading_clock = timed(memory.session.segmenter)
        print(
            json.dumps({"dtype": dtype, "opening_cpu_s": opening + loading, "opening_s": opening_clock + loading_clock})
        )
        backbone = memory.session.segmenter().backbone.component
        backbone.text_vectors = lambda names: text[[NAMES.index(name) for name in names]]  # made before
        rows: dict[str, list[tuple[float, float]]] = {"plain": [], "product": []}
        for _ in range(asked.rounds + 1):
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                reference, *seconds = timed(lambda: plain.segment(smaller, pixels.shape[:2]))
            rows["plain"].append(tuple(seconds))
            result, *seconds = timed(lambda memory=memory: memory.segment(pixels, NAMES))
            rows["product"].append(tuple(seconds))
        agreeing = float((class_map(result) == reference).mean())
        report(dtype, rows, agreeing, float((reference < 0).mean()))
        assert dtype != "float32" or agreeing >= AGREEING, f"{agreeing:.4f} of the pixels agree"
        memory.close()


def report(dtype: str, rows: dict[str, list[tuple[float, float]]], agreeing: float, void: float) -> None:
    """Print medians over the rounds after the first."""
    cpu, clock = ({name: median(each[n] for each in values[1:]) for name, values in rows.items()} for n in (0, 1))
    print(json.dumps({
        "dtype": dtype, "cpu_s": cpu, "s": clock, "ratio_cpu": cpu["plain"] / cpu["product"],
        "ratio": clock["plain"] / clock["product"], "first_cpu_s": rows["product"][0][0],
        "first_s": rows["product"][0][1], "agreeing": agreeing, "void": void,
    }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
