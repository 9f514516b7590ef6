"""The README is true: its tables are the components and their settings."""

from pathlib import Path

import pytest
from retclip_openclip import ConvNextLargeSettings, OpenClipSettings

from retclip.plugin.manager import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMPONENTS = [one for one in PluginManager.discover().components() if one.plugin == "openclip"]


@pytest.mark.parametrize("info", COMPONENTS, ids=lambda info: info.name)
def test_every_component_stands_there_with_its_model(info):
    fields = info.component.settings.model_fields
    shown = ["any" if fields[key].is_required() else f"`{fields[key].default}`" for key in ("model", "pretrained")]
    assert f"| `{info.full_name}` | {shown[0]} | {shown[1]} |" in README


def test_the_settings_are_all_there_with_their_defaults():
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| `") and line.count("|") == 4]
    rows = [row for row in rows if "openclip." not in row[1]]
    told = {key.strip(" `"): row[2] for row in rows for key in row[1].split(",")}
    assert told.keys() == OpenClipSettings.model_fields.keys()
    for key, field in ConvNextLargeSettings.model_fields.items():
        if key not in ("model", "pretrained"):
            assert str(field.default) in told[key]
