"""A picture is shown where there is a place for it, and its absence is said with what to do instead."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from retclip.data import viewer
from retclip.errors import ConfigError

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_the_desktop_s_viewer_gets_the_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(viewer.ImageShow, "show", lambda image, title: shown.append(np.asarray(image)) or True)
    viewer.show_picture(PIXELS)
    assert (shown[0] == PIXELS).all()


def test_without_any_viewer_it_says_to_save_instead(monkeypatch):
    monkeypatch.setattr(viewer.ImageShow, "_viewers", [])
    with pytest.raises(ConfigError, match=r"no viewer on this machine; save it instead"):
        viewer.show_picture(PIXELS)


@pytest.mark.parametrize("kernel", [True, False])
def test_a_notebook_shows_it_in_itself_a_plain_prompt_does_not(monkeypatch, kernel):
    displayed, shown = [], []
    shell = SimpleNamespace(kernel=object()) if kernel else SimpleNamespace()
    package, display = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython, display.display = (lambda: shell), displayed.append
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(viewer.ImageShow, "show", lambda image, title: shown.append(image) or True)
    viewer.show_picture(PIXELS)
    assert (len(displayed), len(shown)) == ((1, 0) if kernel else (0, 1))
    assert (np.asarray((displayed or shown)[0]) == PIXELS).all()
