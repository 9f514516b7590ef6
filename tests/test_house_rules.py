"""The rules of the house, read off the syntax trees: who may import whom, who owns which library, how long things are.

docs/architecture.md explains them. A new file that breaks one either moves or gives a reason to change the page.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {  # the longest prefix counts
    "retclip": 0, "retclip.errors": 0, "retclip.types": 0, "retclip.evidence": 0, "retclip.shapes": 0,
    "retclip.names": 0, "retclip.limits": 0, "retclip.passed_over": 0, "retclip.home": 0,
    "retclip.algorithms": 1, "retclip.plugin": 1,
    "retclip.plugin.discovery": 2, "retclip.plugin.manager": 2, "retclip.plugin.conformance": 2,
    "retclip.plugin.scaffold": 2,
    "retclip.store": 2, "retclip.data": 2, "retclip.config": 2, "retclip.config_sections": 2, "retclip.presets": 2,
    "retclip.device": 2, "retclip.environment": 2, "retclip.secret_addresses": 2,
    "retclip.migrations": 2, "retclip.workflows": 3,
    "retclip.opening": 4, "retclip.components": 4, "retclip.open_store": 4, "retclip.finetune_job": 4,
    "retclip.engine": 4, "retclip.arguments": 4, "retclip.result": 4, "retclip.executors": 4,
    "retclip.report": 4, "retclip.preset_needs": 4,
    "retclip.cli": 5, "retclip.web": 5,
}  # fmt: skip
APART = {"retclip.store", "retclip.data", "retclip.config"}  # of floor 2: none imports another
OWNERS = {
    "qdrant_client": ("retclip/store/index/server",),
    "qdrant_edge": ("retclip/store/index/edge",),
    "sqlalchemy": ("retclip/store/", "retclip/migrations/"),
    "alembic": ("retclip/store/sql/schema.py", "retclip/migrations/"),
    "pluggy": ("retclip/plugin/",),
    "PIL": ("retclip/data/images.py", "retclip/data/viewer.py", "retclip/report/", "plugins/"),
    "pycocotools": ("retclip/data/rle.py", "retclip/algorithms/average_precision.py"),  # its COCOeval is the formula
    "jinja2": ("retclip/report/html_page.py",),
    "typer": ("retclip/cli/",),
    "yaml": ("retclip/data/class_list.py",),
    "skimage": ("plugins/",),
    "transformers": ("plugins/",),
    "open_clip": ("plugins/",),
    "segment_anything": ("plugins/",),
    "timm": ("plugins/",),
    "ray": ("retclip/executors/ray_actors.py",),
    "psutil": ("retclip/store/work/leases.py",),
    "accelerate": ("retclip/workflows/",),
    "matplotlib": ("retclip/report/",),
    "httpx": ("retclip/workflows/weights/fetch_weights.py", "retclip/store/index/server.py"),
    "torchvision": ("plugins/", "retclip/workflows/doctor/doctor.py"),  # doctor asks for its version
}
LONGEST_FILE, LONGEST_FUNCTION = 250, 50  # lines; 60-200 and 5-25 are what to aim at
PLUGIN_MAY = (0, 1)  # floors; and the one decoder of photos, so that a stranger's source is as safe as ours
PLUGIN_MAY_TOO = ("retclip.data.images", "retclip.data.drawn_scenes")
# A tool that a plugin ships beside its components finds other components by name, as any program does.
PLUGIN_TOOLS = {
    "plugins/mask2former/retclip_mask2former/parity.py": ("retclip.plugin.manager",),
    "plugins/miniature/retclip_miniature/export.py": ("retclip.data.panoptic_writer",),
}

SOURCES = sorted(path for folder in ("retclip", "plugins") for path in (ROOT / folder).rglob("*.py"))
PROJECT = [path for path in SOURCES if "build" not in path.parts and "tests" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """(module, whether only types need it), wherever in the file the import stands."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    typing_only = {
        id(inner)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            children = [f"{node.module}.{alias.name}" for alias in node.names]
            known = [child for child in children if child in FLOORS or _is_module(child)]
            yield from ((one, id(node) in typing_only) for one in known or [node.module])


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def room(module: str) -> str:
    """The entry of FLOORS that a module belongs to."""
    parts = module.split(".")
    return next(found for n in range(len(parts), 0, -1) if (found := ".".join(parts[:n])) in FLOORS)


@pytest.mark.parametrize("path", [p for p in PROJECT if p.parts[-2] and p.relative_to(ROOT).parts[0] == "retclip"],
                         ids=lambda path: name_of(path))  # fmt: skip
def test_nobody_imports_a_higher_floor(path: Path) -> None:
    mine = room(name_of(path))
    for module, typing_only in imports(path):
        if module.split(".")[0] != "retclip" or name_of(path) == "retclip":
            continue
        theirs = room(module)
        if typing_only and FLOORS[mine] == 0:
            continue
        assert FLOORS[theirs] <= FLOORS[mine] or typing_only, f"{name_of(path)} imports {module}"
        if mine in APART and theirs in APART:
            assert mine == theirs, f"{name_of(path)} imports {module}: rooms of one floor stay apart"


@pytest.mark.parametrize("path", [p for p in PROJECT if "plugins" in p.relative_to(ROOT).parts], ids=name_of)
def test_a_plugin_stays_at_its_door(path: Path) -> None:
    own, tool = path.relative_to(ROOT).parts[2], PLUGIN_TOOLS.get(path.relative_to(ROOT).as_posix(), ())
    for module, _ in imports(path):
        first = module.split(".")[0]
        if first == "retclip":
            allowed = FLOORS[room(module)] in PLUGIN_MAY or module in (*PLUGIN_MAY_TOO, *tool)
            assert allowed, f"{path} imports {module}; a plugin sees floors 0 and 1 only"
        assert not first.startswith("retclip_") or first == own, f"{path} imports another plugin, {first}"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library: str) -> None:
    for path in PROJECT:
        place = path.relative_to(ROOT).as_posix()
        if any(module.split(".")[0] == library for module, _ in imports(path)):
            assert place.startswith(OWNERS[library]), f"{place} imports {library}; it belongs to {OWNERS[library]}"


@pytest.mark.parametrize("path", PROJECT, ids=name_of)
def test_files_and_functions_stay_short_and_input_is_never_asserted(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE or "versions" in path.parts, f"{lines} lines"
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise an error of retclip.errors"
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION or "versions" in path.parts, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [p for p in PROJECT if p.name != "__main__.py"], ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(tree(path)), f"{path} has no docstring"


@pytest.mark.parametrize("folder", ["algorithms", "store", "data", "workflows", "report"])
def test_tests_mirror_the_modules(folder: str) -> None:
    lacking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "retclip" / folder).glob("*.py"))
        if path.read_text(encoding="utf-8").strip()
        and path.stem not in ("__init__", "tables", "work_tables", "crash_points", "sources", "parts")
        and not (ROOT / "tests" / folder / f"test_{path.stem}.py").exists()
    ]
    assert lacking == []


@pytest.mark.parametrize("word", [".cuda(", "set_default_device", "torch.cuda."])
def test_only_device_py_chooses_a_device(word: str) -> None:
    for path in PROJECT:
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(("plugins/", "retclip/algorithms/", "retclip/store/", "retclip/workflows/")):
            allowed = place == "retclip/workflows/doctor/doctor.py"
            assert allowed or word not in path.read_text(encoding="utf-8"), f"{place} uses {word}"


def test_plugins_are_of_the_core_s_version() -> None:
    import tomllib

    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = (ROOT / "requirements.txt").read_text().splitlines()
    for file in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        found = tomllib.loads(file.read_text())["project"]
        assert found["version"] == core["version"], file
        assert f"-e plugins/{file.parent.name}" in listed, f"{file.parent.name} is not in requirements.txt"
        assert (file.parent / "README.md").exists(), f"{file.parent.name} has no README"
