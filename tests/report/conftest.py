"""What the tests of pictures share."""

import pytest
from PIL import ImageDraw


@pytest.fixture
def texts(monkeypatch):
    """Every text that is drawn."""
    drawn = []
    original = ImageDraw.ImageDraw.text

    def text(self, place, text, *more, **options):
        drawn.append(text)
        return original(self, place, text, *more, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return drawn
