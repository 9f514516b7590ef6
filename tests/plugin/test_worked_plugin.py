"""The plugin in the docstring of `retclip.plugin` is complete: taken as it stands, it loads and keeps its contract."""

from __future__ import annotations

import textwrap
import types

import retclip.plugin
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager


class Entry:
    name, dist = "thirds", None

    def load(self) -> types.ModuleType:
        text = retclip.plugin.__doc__ or ""
        start = text.index("    # retclip_thirds.py")
        module = types.ModuleType("retclip_thirds")
        exec(textwrap.dedent(text[start : text.index("`retclip plugins new")]), module.__dict__)
        return module


def test_the_worked_plugin_works() -> None:
    found = PluginManager.discover(entry_points=[Entry()])
    assert found.failures == ()
    info = found.find("proposer", "thirds.thirds")
    assert [one for one in check_component(info) if one.ok is False] == []


def test_its_name_in_pyproject_is_the_name_it_is_found_by() -> None:
    assert 'thirds = "retclip_thirds"' in (retclip.plugin.__doc__ or "")
    assert "[project.entry-points.retclip]" in (retclip.plugin.__doc__ or "")
