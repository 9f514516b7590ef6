"""The README is true: its tables are the settings of the components."""

from pathlib import Path

import pytest

from retclip.plugin.manager import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMPONENTS = [one for one in PluginManager.discover().components() if one.plugin == "owlv2"]


@pytest.mark.parametrize("info", COMPONENTS, ids=lambda info: info.full_name)
def test_the_table_of_settings_is_complete_and_has_the_defaults(info):
    _, _, rest = README.partition(f"| {info.name} | default | meaning |\n")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in rest.partition("\n\n")[0].splitlines()[1:]]
    assert dict(rows) == {key: str(one.default) for key, one in info.component.settings.model_fields.items()}
    assert f"| `{info.full_name}` | {info.kind} |" in README
