"""Makes this plugin's glyph sheets anew from the npm packages `emoji-datasource-google` and `emoji-datasource-twitter`.

    npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0    # and unpack each into a folder
    python -m retclip_miniature.collect_glyphs GOOGLE_FOLDER TWITTER_FOLDER OUT_FOLDER

Only needed to change the choice of glyphs; the sheets are part of the plugin. Licences: glyphs/LICENCES.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image as PILImage

from retclip.errors import RetCLIPError
from retclip.own_files import claim_folder
from retclip_miniature.glyphs import COLUMNS, SIDE, read_choice

COLOURS = 255  # of a sheet's palette; it keeps the files small


def main() -> None:
    """Paste the chosen glyphs of both artists into one sheet each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("google", "twitter", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    try:
        claim_folder(arguments.out, "glyphs", "OUT_FOLDER")
    except RetCLIPError as error:
        parser.exit(error.exit_code, f"{error}\n")
    for sheet, artist, folder in (("noto", "google", arguments.google), ("twemoji", "twitter", arguments.twitter)):
        pictures = {
            glyph["short_name"]: glyph["image"] for glyph in json.loads((folder / "emoji.json").read_text("utf-8"))
        }
        files = [
            folder / "img" / artist / "64" / pictures[name]
            for glyph_class in read_choice()
            for name in glyph_class.glyphs
        ]
        _sheet(files).save(arguments.out / f"{sheet}.png", optimize=True)


def _sheet(files: list[Path]) -> PILImage.Image:
    rows = -(-len(files) // COLUMNS)
    sheet = PILImage.new("RGBA", (COLUMNS * SIDE, rows * SIDE))
    for number, file in enumerate(files):
        glyph = PILImage.open(file).convert("RGBA").resize((SIDE, SIDE), PILImage.Resampling.LANCZOS)
        sheet.paste(glyph, (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    return sheet.quantize(COLOURS, PILImage.Quantize.FASTOCTREE)


if __name__ == "__main__":
    main()
