"""A photo and any names: what is where? It needs no store and no download.

    python segment_a_photo.py                                   # a scene that the miniature draws
    python segment_a_photo.py street.jpg "sky, road, car"       # a photo and names of yours
    python segment_a_photo.py street.jpg "sky, road, car" clip  # by another preset: `retclip presets`

The models that ship were trained on drawn scenes: on photos they show every step, and little more.
"""

import sys

import retclip

THINGS = "&things=airplane&things=banana&things=bear&things=car&things=cat"
SCENE = f"miniature.scenes:scenes?split=demo&seed=9&count=1&classes=seen{THINGS}"
NAMES = "airplane, banana, bear, car, cat, grass, road, sky, snow, water"


def segment_a_photo(photo: str = "", names: str = NAMES, preset: str = "miniature-fc-clip") -> None:
    """Label a photo, tell what was found, and save the pictures in `out`. photo: its path, "" = a drawn scene."""
    with retclip.open(preset=preset) as reader:
        image = photo or next(reader.source(SCENE).images()).load()
        result = reader.segment(image, names)
    print(result)
    for segment in result.segments:
        share = segment.area / result.label_map.size
        print(f"{segment.class_name}: {share:.1%} of the photo, score {segment.score:.2f}")
    print("see", result.save("out") / "overlay")  # result.show() opens it; in a notebook `result` is enough


if __name__ == "__main__":
    try:
        segment_a_photo(*sys.argv[1:])
    except retclip.RetCLIPError as error:  # it says what was expected, what came and what to do
        sys.exit(f"error: {error}")
