"""Puts freshly trained weights where the presets `miniature*` find them.

    python -m retclip_miniature.ship OUT_FOLDER

OUT_FOLDER holds what `make miniature` left there: clip.json and clip.safetensors of `train_clip`, and in head/ the run
of `retclip finetune`. Everything is kept as float16.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file

from retclip.errors import DataError
from retclip.plugin.checkpoints import read_metadata, write_safetensors

MODELS = Path(__file__).with_name("models")
LIMIT = 16e6  # bytes in all: what a repository and a wheel can carry


def ship(trained: Path, models: Path = MODELS) -> int:
    """Copy the three files; their size in bytes. Raises DataError where one is missing or all are too large."""
    config, clip, head = (trained / name for name in ("clip.json", "clip.safetensors", "head/weights.safetensors"))
    for file in (config, clip, head):
        if not file.is_file():
            raise DataError(f"a trained model in {trained}", f"no {file}", "run `make miniature`")
    models.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(config, models / config.name)
    shutil.copyfile(clip, models / clip.name)
    state = {name: value.half() if value.is_floating_point() else value for name, value in load_file(head).items()}
    write_safetensors(state, models / "mask_head.safetensors", read_metadata(head))
    size = sum(file.stat().st_size for file in models.iterdir() if file.suffix in (".json", ".safetensors"))
    if size > LIMIT:
        raise DataError(f"at most {LIMIT / 1e6:.0f} MB of weights", f"{size / 1e6:.1f} MB", "train smaller models")
    return size


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    arguments = parser.parse_args()
    try:
        print(f"{ship(arguments.trained) / 1e6:.1f} MB in {MODELS}")
    except DataError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
