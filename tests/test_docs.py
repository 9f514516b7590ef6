"""The pages in docs/ and the README are true: commands run, and every command, setting, exit code and hook is named."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image as Pillow
from pydantic import BaseModel
from typer.main import get_command

from retclip import config, errors
from retclip.plugin.discovery import KINDS
from retclip.plugin.manager import PROTOCOLS
from retclip.presets import PHOTOS, PRESETS
from retclip.workflows.training.stop_signal import SIGNALS, exit_code

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLUGIN_PAGES = sorted((ROOT / "plugins").glob("*/README.md"))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands() -> dict[str, object]:
    """Full name -> command, e.g. "class add"."""
    from retclip.cli import app

    found: dict[str, object] = {}
    for name, one in get_command(app).commands.items():
        inner = getattr(one, "commands", None)
        found |= {f"{name} {below}": it for below, it in inner.items()} if inner else {name: one}
    return found


def setting_rows() -> list[str]:
    """The table of settings as it must stand in the reference."""
    preset = PRESETS[PHOTOS]
    rows = [f'| `preset` | `"{PHOTOS}"` | a named set of settings: {", ".join(PRESETS)} |']
    for section, field in config.Settings.model_fields.items():
        if not isinstance(field.default, BaseModel):
            continue
        for key, one in type(field.default).model_fields.items():
            default = preset.get(section, {}).get(key, one.default)
            shown = default if isinstance(default, str | bool | int | float | tuple) else ""
            rows.append(f"| `{section}.{key}` | `{_toml(shown)}` | {one.description or ''} |")
    return rows


def _toml(value: object) -> str:
    from retclip.settings_file import _toml as written

    return written(value)


def test_the_examples_of_the_python_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n\n".join(blocks(page("python.md"), "python"))
    assert len(blocks(page("python.md"), "python")) > 8
    script = tmp_path / "examples.py"
    script.write_text(code, encoding="utf-8")
    monkeypatch.setenv("RETCLIP_DEVICE__NAME", "cpu")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(script.name, run_name="__main__")
    assert (tmp_path / "worth.html").stat().st_size > 10_000 and (tmp_path / "run/weights.safetensors").is_file()


def test_the_example_of_the_readme_runs(tmp_path: Path, built, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")
    shutil.copytree(built.store, tmp_path / "street")
    Pillow.open(built.photos / "train_0_0000.png").save(tmp_path / "photo.jpg")
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py", run_name="__main__")
    assert (tmp_path / "why.png").is_file() and (tmp_path / "out" / "panoptic.json").is_file()


def test_the_methods_of_the_python_page_exist_and_none_is_forgotten() -> None:
    """Of the table of commands and methods: a short name belongs to the object named before it."""
    import retclip

    rows = re.findall(r"^\| `retclip [^|]*\| (.*) \|$", page("python.md"), re.MULTILINE)
    kinds = {
        "retclip": retclip, "memory": retclip.RetCLIP, "memory.classes": retclip.Classes,
        "memory.matches": retclip.Matches, "memory.audit": retclip.Audit,
        "memory.spaces": retclip.Spaces, "result": retclip.SegmentationResult,
    }  # fmt: skip
    told: dict[str, set[str]] = {name: set() for name in kinds}
    for row in rows:
        owner = "retclip"
        for name in re.findall(r"`([a-z_.]+)", row):
            owner, _, method = name.rpartition(".") if "." in name else (owner, "", name)
            assert hasattr(kinds[owner], method), name
            told[owner].add(method)
    helpers = {"close", "open", "prepare", "settings", "source", "store", "plan", "carry_out", "backbone"}
    for owner in ("memory", "memory.classes", "memory.matches", "memory.spaces"):
        assert {name for name in vars(kinds[owner]) if name[0] != "_"} - helpers <= told[owner], owner


def test_every_command_and_option_is_in_the_reference_and_nothing_else() -> None:
    text = page("reference.md")
    table = re.findall(r"^\| `retclip ([^`]+)` \|", text, re.MULTILINE)
    assert sorted(re.sub(r" ([A-Z.]+|\[.*)", "", row) for row in table) == sorted(commands())
    common = set(re.findall(r"`(--[a-z0-9-]+)", text))
    for name, command in commands().items():
        own = {option for one in command.params for option in one.opts if option.startswith("--")}
        assert own <= common | {"--help"}, f"{name}: {sorted(own - common)} stand nowhere in the reference"


def test_every_setting_stands_in_the_reference_with_its_default() -> None:
    rows = re.findall(r"^\| `[a-z_.]+` \| `.*` \| .*\|$", page("reference.md"), re.MULTILINE)
    assert rows == setting_rows()
    assert not [row for row in rows if row.endswith("|  |")], "every setting says what it is for"


def test_every_exit_code_is_explained() -> None:
    kinds = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.RetCLIPError)}
    listed = set(re.findall(r"^\| (\d+) \|", page("reference.md"), re.MULTILINE))
    assert listed == {"0", *(str(exit_code(one)) for one in SIGNALS), *(str(one.exit_code) for one in kinds)}


def test_every_hook_and_promise_is_in_the_page_on_plugins() -> None:
    rows = re.findall(r"^\| `(retclip_\w+)` \|.*\| `(\w+)` \|$", page("plugins.md"), re.MULTILINE)
    assert dict(rows) == {KINDS[one]: PROTOCOLS[one].__name__ for one in KINDS}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_that_a_page_mentions_exist(path: Path) -> None:
    known = set(commands()) | {name.split()[0] for name in commands()}
    for found in re.findall(
        r"\bretclip ([a-z]+(?: [a-z][a-z-]*)?)", "\n".join(_code(path.read_text(encoding="utf-8")))
    ):
        first, _, second = found.partition(" ")
        nested = any(name.startswith(f"{first} ") for name in known)
        assert (f"{first} {second}" if nested and second else first) in known, f"retclip {found}"


@pytest.mark.parametrize("path", [*PAGES, *PLUGIN_PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_of_a_page_are_understood(path: Path) -> None:
    """Each has the options that it is given, and every argument that it needs; what they mean is read when it runs."""
    from retclip.cli import app

    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ *(?:[A-Z_]+=\S+ )?retclip (.*)$", "\n".join(_blocks(text)), re.MULTILINE):
        command, words = get_command(app), shlex.split(line, comments=True)
        while hasattr(command, "commands"):
            assert words and words[0] in command.commands, line
            command, words = command.commands[words[0]], words[1:]
        command.make_context(line, words)  # raises what a wrong use ends with


def _blocks(text: str) -> list[str]:
    """The lines of a page that are set as blocks of code."""
    return [*blocks(text, "sh"), *blocks(text, ""), *(line for line in text.splitlines() if line.startswith("    "))]


def _code(text: str) -> list[str]:
    """Everything on a page that is set as code."""
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    return [*blocks(text, "sh"), *lines, *re.findall(r"`([^`\n]+)`", text)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_files_that_a_page_names_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
    for name in re.findall(
        r"`((?:retclip|plugins|tests|benchmarks|examples|docs|migrations)/[\w/]+\.(?:py|md|toml|ipynb))`", text
    ):
        assert (ROOT / name).exists(), name
