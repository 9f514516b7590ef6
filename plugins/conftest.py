"""Shared by the tests of all plugins."""

from collections.abc import Callable

import numpy as np
import pytest

from retclip.types import Image


@pytest.fixture
def photo() -> Callable[..., Image]:
    """Photos of noise, by height, width and seed."""

    def of(height: int, width: int, seed: int = 0) -> Image:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
        return Image(pixels, f"{seed:064d}")

    return of
