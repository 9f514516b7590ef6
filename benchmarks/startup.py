"""Start-up of the commands, in seconds of the processor (user and system), and the packages that each imports.

    python benchmarks/startup.py [--store DIR --preset NAME --photo FILE --classes NAMES] [--rounds 3]

Prints a table: the least of the rounds, wall seconds beside it, and how many top-level packages were imported, the
heavy ones named. Without --store a small one is built of drawn scenes, and one of its scenes is the photo.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = (
    "torch",
    "scipy",
    "skimage",
    "numpy",
    "sqlalchemy",
    "alembic",
    "qdrant_edge",
    "qdrant_client",
    "pydantic",
    "PIL",
)
PROGRAM = """
import sys
from retclip.cli import main
sys.argv[0] = "retclip"
try:
    main()
except SystemExit as end:
    print("exit", end.code, file=sys.stderr)
roots = sorted({name.partition(".")[0] for name in sys.modules})
print("imported", *roots, file=sys.stderr)
"""


def run(arguments: list[str]) -> tuple[float, float, list[str]]:
    """Run a command: seconds of the processor, wall seconds, imported packages. Raises SystemExit if it fails."""
    before, clock = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    after, wall = os.times(), time.perf_counter() - clock
    *_, code, imported = done.stderr.splitlines()
    if code not in ("exit 0", "exit None"):
        raise SystemExit(done.stderr)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, wall, imported.split()[1:]


def small_store(folder: Path) -> tuple[Path, Path]:
    """A store of drawn scenes, and a photo that it does not hold."""
    import retclip

    scenes = f"reference.scenes:{folder}/scenes?split=train&count=12&width=96&height=64"
    with retclip.open(folder / "store", preset="appearance", create=True) as memory:
        memory.build(scenes)
    from PIL import Image

    photo = next(iter(memory.source(scenes).images())).load()
    Image.fromarray(photo.pixels if hasattr(photo, "pixels") else photo).save(folder / "photo.png")
    return folder / "store", folder / "photo.png"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--preset", default="appearance")
    parser.add_argument("--classes", default="car,road,tree")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retclip-startup-") as place:
        folder = Path(place)
        store, photo = (options.store, options.photo) if options.store else small_store(folder)
        where = ["--store", str(store)]
        asked = [
            "segment",
            str(photo),
            "--classes",
            options.classes,
            "--preset",
            options.preset,
            "--out",
            f"{folder}/out",
        ]
        run([*asked, *where])
        (evidence,) = (folder / "out").glob("*.npz")
        commands = {
            "--help": ["--help"], "class list": ["class", "list", *where],
            "explain": ["explain", str(evidence), "--at", "20,20", *where], "segment, a photo": [*asked, *where],
        }  # fmt: skip
        print("| command | processor s | wall s | packages | heavy ones |\n|---|---:|---:|---:|---|")
        for name, arguments in commands.items():
            rounds = [run(arguments) for _ in range(options.rounds)]
            spent, wall, imported = min(rounds)
            heavy = ", ".join(package for package in HEAVY if package in imported)
            print(f"| {name} | {spent:.2f} | {wall:.2f} | {len(imported)} | {heavy} |", flush=True)


if __name__ == "__main__":
    main()
