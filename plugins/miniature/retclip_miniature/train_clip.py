"""Trains the small CLIP from nothing: whole scenes and their captions, OpenCLIP's own model and contrastive loss.

    python -m retclip_miniature.train_clip OUT_FOLDER [--steps N] [--scenes N] [--seed N]

Writes OUT_FOLDER/clip.json (the architecture in OpenCLIP's form) and OUT_FOLDER/clip.safetensors (float16). Masks are
never looked at: what the model knows of a region it learnt from whole pictures, as CLIP did.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.loss import ClipLoss
from safetensors.torch import save_file
from torch import Tensor

from retclip.types import PanopticSegmentation
from retclip_miniature.captions import caption
from retclip_miniature.composition import Cast, compose
from retclip_miniature.glyphs import read_choice
from retclip_miniature.stuff import TEXTURES

SIDE, CONTEXT = 128, 40  # pixels of a training scene, tokens of a caption
SIZES = (96, 128, 128, 160)  # pixels at which a batch is looked at: things come in more sizes than they are drawn in
ARCHITECTURE = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": SIDE, "timm_model_name": "convnext_atto", "timm_model_pretrained": False, "timm_pool": "",
        "timm_proj": "mlp",
    },
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 48, "heads": 3, "layers": 3},
}  # fmt: skip
SPLIT = 9  # the first number of a scene's seed: no other split draws the same scenes
DRAWINGS = 0.25  # share of the pool in the second style


@dataclass(frozen=True)
class Plan:
    """How it is trained. Chosen by looking at held-out training scenes, never at the test split."""

    steps: int = 1600
    scenes: int = 24000
    batch: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.1
    warmup: int = 80
    seed: int = 0


Scene = tuple[NDArray[np.uint8], PanopticSegmentation, str]


def draw(index: int, seed: int, scenes: int) -> Scene:
    """One training scene of 128 x 128 pixels, with one to five things, and its style."""
    rng = np.random.default_rng([SPLIT, seed, index])
    style = "drawing" if index >= scenes * (1 - DRAWINGS) else "photo"
    pixels, truth = compose(rng, Cast(read_choice(), list(TEXTURES), style, room=6500), SIDE, SIDE)
    nothing = np.broadcast_to(np.int32(0), (SIDE, SIDE))  # captions read the segments and the size, not the map
    return pixels, PanopticSegmentation(nothing, truth.segments), style


def train(plan: Plan, out: Path) -> None:
    """Draw the scenes, train, write the two files; a line every 20 steps."""
    torch.manual_seed(plan.seed)
    with ProcessPoolExecutor() as pool:
        one = partial(draw, seed=plan.seed, scenes=plan.scenes)
        scenes = list(pool.map(one, range(plan.scenes), chunksize=100))
    pictures = torch.from_numpy(np.stack([pixels for pixels, _, _ in scenes]))
    model = open_clip.model.CLIP(**ARCHITECTURE)
    model.visual.to(memory_format=torch.channels_last)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    groups = [{"params": [p for p in model.parameters() if (p.ndim < 2) == plain],
               "weight_decay": 0.0 if plain else plan.weight_decay} for plain in (True, False)]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98))
    loss_of, rng, clock = ClipLoss(), np.random.default_rng(plan.seed), time.monotonic()
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * rate(step, plan)
        chosen = rng.integers(plan.scenes, size=plan.batch)
        words = tokenizer([caption(rng, scenes[i][1], scenes[i][2]) for i in chosen])
        with torch.autocast("cpu", torch.bfloat16):
            image = model.encode_image(augmented(pictures[torch.from_numpy(chosen)], rng), normalize=True)
            text = model.encode_text(words, normalize=True)
        loss = loss_of(image.float(), text.float(), model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if step % 20 == 0:
            print(f"step {step}/{plan.steps} loss {loss.item():.3f} {time.monotonic() - clock:.0f} s", flush=True)
        if step % 200 == 199:
            save(model, out)
    save(model, out)


def rate(step: int, plan: Plan) -> float:
    """The share of the learning rate at a step: a linear warm-up, then half a cosine down to 0."""
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - plan.warmup) / max(1, plan.steps - plan.warmup)))


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """(b, H, W, 3) uint8 to (b, 3, H', W') float32 as the model takes them: mirrored or not, a batch of one size."""
    found = pixels.permute(0, 3, 1, 2).float().div_(255)
    mirrored = torch.from_numpy(rng.random(len(found)) < 0.5)
    found[mirrored] = found[mirrored].flip(-1)
    side = int(rng.choice(SIZES))
    found = torch.nn.functional.interpolate(found, (side, side), mode="bilinear", antialias=side < SIDE)
    mean, std = (
        torch.tensor(x).view(1, 3, 1, 1) for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return ((found - mean) / std).contiguous(memory_format=torch.channels_last)


def save(model: torch.nn.Module, out: Path) -> None:
    """Write architecture and weights, float16: half the size, and no figure moves by more than noise."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "clip.json").write_text(json.dumps(ARCHITECTURE, indent=1) + "\n", encoding="utf-8")
    state = {name: value.half().contiguous() for name, value in model.state_dict().items() if name != "attn_mask"}
    save_file(state, out / "clip.safetensors")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name in ("steps", "scenes", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    given = parser.parse_args()
    train(Plan(steps=given.steps, scenes=given.scenes, seed=given.seed), given.out)


if __name__ == "__main__":
    main()
