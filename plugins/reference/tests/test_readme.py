"""The README is true: its tables are the settings, its example runs and prints what it says."""

import re
from pathlib import Path

import pytest

from retclip.plugin.manager import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMPONENTS = [one for one in PluginManager.discover().components() if one.plugin == "reference"]


def described(name):
    """{key: default} of the table headed by a component's name; a row may hold several keys."""
    _, _, rest = README.partition(f"| {name} | default | meaning |\n")
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in rest.partition("\n\n")[0].splitlines()[1:]]
    pairs = [zip(keys.split(","), values.split(","), strict=True) for keys, values in rows]
    return {key.strip(" `"): value.strip() for row in pairs for key, value in row}


@pytest.mark.parametrize("info", COMPONENTS, ids=lambda info: info.full_name)
def test_the_table_of_settings_is_complete_and_has_the_defaults(info):
    fields = info.component.settings.model_fields
    wanted = {key: "required" if one.is_required() else str(one.default) for key, one in fields.items()}
    assert described(info.name) == wanted
    assert f"| `{info.full_name}` | {info.kind} |" in README


def test_the_example_prints_what_it_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(code, {})
    (promised,) = re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert capsys.readouterr().out.strip() == promised
