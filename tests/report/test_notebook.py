"""What notebooks show of a result: a picture of bounded size, and a table in which no name is markup."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
from PIL import Image

from retclip.report.notebook import SIDE, result_html, small_png
from retclip.report.palette import class_colours


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_small_picture_stays_and_a_large_one_is_made_smaller():
    small = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    assert (opened(small_png(small)) == small).all()
    assert opened(small_png(np.zeros((4000, 1000, 3), np.uint8))).shape == (SIDE, SIDE // 4, 3)


def test_each_class_has_a_row_with_colour_number_share_and_score(result):
    page = result_html(result)
    rows = re.findall(r'background:(rgb\([\d,]+\)).*?text-align:left">(.*?)</td><td>(\d+)</td>', page)
    colours = class_colours(result.evidence.vocabulary.names)
    counts = {}
    for one in result.segments:
        counts[one.class_name] = counts.get(one.class_name, 0) + 1
    assert {name: int(number) for _, name, number in rows} == counts
    assert all(colour == "rgb({},{},{})".format(*colours[name]) for colour, name, _ in rows)
    assert "unlabelled" in page and "96 x 64" in page


def test_the_picture_in_it_is_the_overlay_without_its_legend(result):
    (content,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", result_html(result))
    assert (opened(base64.b64decode(content)) == result.overlay(legend=False)).all()


def test_a_name_is_text_and_no_markup(result):
    first, *others = result.segments
    odd = replace(result, segments=(replace(first, class_name="<script>alert(1)</script>"), *others))
    page = result_html(odd)
    assert "<script" not in page and "&lt;script&gt;" in page
