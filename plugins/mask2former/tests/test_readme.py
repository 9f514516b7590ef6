"""The README is true: its tables are the settings of the components."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from retclip.plugin.manager import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMPONENTS = [one for one in PluginManager.discover().components() if one.plugin == "mask2former"]


def settings_of(model):
    """Key -> default as text; a nested table's keys with dots."""
    found = {}
    for key, one in model.model_fields.items():
        inner = type(one.default).model_fields.items() if isinstance(one.default, BaseModel) else ()
        found |= {f"{key}.{name}": str(field.default) for name, field in inner} or {key: str(one.default)}
    return found


@pytest.mark.parametrize("info", COMPONENTS, ids=lambda info: info.full_name)
def test_the_table_of_settings_is_complete_and_has_the_defaults(info):
    _, _, rest = README.partition(f"| {info.name} | default | meaning |\n")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in rest.partition("\n\n")[0].splitlines()[1:]]
    assert dict(rows) == settings_of(info.component.settings)
    assert f"| `{info.full_name}` | {info.kind} |" in README
