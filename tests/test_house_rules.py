"""The rules of the house, read off the syntax trees: who imports whom, who owns which library, where the arrows lead.

docs/architecture.md explains them. A new file that breaks one either moves or gives a reason to change the page.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {  # the longest prefix counts
    "retclip": 0, "retclip._version": 0,
    "retclip.errors": 0, "retclip.types": 0, "retclip.evidence": 0, "retclip.shapes": 0,
    "retclip.names": 0, "retclip.limits": 0, "retclip.passed_over": 0, "retclip.progress": 0, "retclip.home": 0,
    "retclip.quantities": 0, "retclip.mask_proposals": 0,
    "retclip.algorithms": 1, "retclip.plugin": 1,
    "retclip.plugin.discovery": 2, "retclip.plugin.manager": 2, "retclip.plugin.conformance": 2,
    "retclip.plugin.scaffold": 2,
    "retclip.store": 2, "retclip.data": 2, "retclip.config": 2, "retclip.config_sections": 2, "retclip.presets": 2,
    "retclip.device": 2, "retclip.environment": 2, "retclip.secret_addresses": 2,
    "retclip.migrations": 2, "retclip.workflows": 3,
    "retclip.evaluation_parts": 4, "retclip.kept_evaluations": 4, "retclip.preset_comparison": 4,
    "retclip.session": 4, "retclip.settings_file": 4, "retclip.namespaces": 4, "retclip.engine": 4,
    "retclip.result": 4, "retclip.segment_questions": 4, "retclip.audits": 4, "retclip.executors": 4,
    "retclip.corrections": 4, "retclip.report": 4, "retclip.preset_needs": 4, "retclip.checkup": 4,
    "retclip.evaluation_run": 4, "retclip.asked_space": 4, "retclip.reproduction": 4,
    "retclip.tuning_run": 4,
    "retclip.cli": 5, "retclip.web": 5, "retclip.__main__": 5,
}  # fmt: skip
APART = {"retclip.store", "retclip.data", "retclip.config"}  # of floor 2: none imports another
OWNERS = {
    "qdrant_client": ("retclip/store/index/server",),
    "qdrant_edge": ("retclip/store/index/edge",),
    "sqlalchemy": ("retclip/store/", "retclip/migrations/"),
    "alembic": ("retclip/store/sql/schema.py", "retclip/migrations/"),
    "pluggy": ("retclip/plugin/",),
    "PIL": (
        "retclip/data/images.py",
        "retclip/data/colour_profile.py",
        "retclip/data/jpeg_end.py",
        "retclip/data/viewer.py",
        "retclip/data/scene_",
        "retclip/report/",
        "plugins/",
    ),
    "kornia_rs": ("retclip/data/rgb_png.py",),
    "pycocotools": ("retclip/data/rle.py", "retclip/algorithms/average_precision.py"),  # its COCOeval is the formula
    "msgspec": ("retclip/data/readers/coco/raw_records.py",),
    "jinja2": ("retclip/report/html_page.py",),
    "typer": ("retclip/cli/",),
    "yaml": ("retclip/data/class_entries.py",),
    "skimage": ("plugins/",),
    "transformers": ("plugins/",),
    "open_clip": ("plugins/",),
    "segment_anything": ("plugins/",),
    "timm": ("plugins/",),
    "ray": ("retclip/executors/ray_actors.py",),
    "psutil": ("retclip/store/work/leases.py",),
    "accelerate": ("retclip/workflows/",),
    "matplotlib": ("retclip/report/",),
    "optuna": ("retclip/workflows/tuning/search.py",),
    "httpx": ("retclip/workflows/weights/fetch_weights.py", "retclip/store/index/server.py"),
    "torchvision": ("plugins/", "retclip/workflows/doctor/doctor.py"),  # doctor asks for its version
}
STORE_DOOR = {
    "retclip.store.feature_store", "retclip.store.records", "retclip.store.findings", "retclip.store.states",
    "retclip.store.ids",
}  # fmt: skip
STORE_INSIDE = {"engine", "projection", "_catalog", "_indexes"}  # attributes through which one would reach a connection
STATES = {
    "running",
    "finished",
    "interrupted",
    "leased",
    "accepted",
    "rejected",
    "class_add",
    "class_fill",
    "add_space",
}
LONG_FILE, LONG_FUNCTION = 400, 50  # lines; 60-250 and 5-25 are what to aim at
MIRRORED = ("algorithms", "store", "data", "workflows", "report")
PLUGIN_MAY = (0, 1)  # floors; and the one decoder of photos, so that a stranger's source is as safe as ours
PLUGIN_MAY_TOO = (
    "retclip.data.images", "retclip.data.drawn_scenes", "retclip.data.scene_composition", "retclip.data.scene_textures",
)  # fmt: skip
# A tool that a plugin ships beside its components finds other components by name, as any program does.
PLUGIN_TOOLS = {
    "plugins/mask2former/retclip_mask2former/parity.py": ("retclip.plugin.manager",),
    "plugins/miniature/retclip_miniature/export.py": ("retclip.data.panoptic_writer",),
}

SOURCES = sorted(path for folder in ("retclip", "plugins") for path in (ROOT / folder).rglob("*.py"))
PROJECT = [path for path in SOURCES if not {"build", "tests", "conftest.py"} & {*path.parts}]


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


OUTSIDE = [
    path for path in PROJECT
    if not path.relative_to(ROOT).as_posix().startswith(("retclip/store/", "retclip/migrations/"))
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE, ids=name_of)
def test_a_store_is_seen_through_its_door(path: Path) -> None:
    """What is asked of a store is a method of FeatureStore; what passes is a record. No connection leaves."""
    seen = {module for module, _ in imports(path) if module.startswith("retclip.store")}
    assert seen <= STORE_DOOR, f"{path} imports {sorted(seen - STORE_DOOR)}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr in STORE_INSIDE:
            assert ast.unparse(node) == "inflect.engine", f"{path}, line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", [p for p in PROJECT if p.match("retclip/store/api/*.py")], ids=name_of)
def test_what_a_store_is_asked_names_no_connection(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            asked = [one for one in node.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
            for method in asked:
                said = ast.unparse(method.args) + ast.unparse(method.returns or ast.Constant(None))
                assert not {"Connection", "Engine", "Transactions"} & set(re.findall(r"\w+", said)), method.name


@pytest.mark.parametrize("path", [p for p in PROJECT if not p.match("retclip/migrations/versions/*")], ids=name_of)
def test_states_are_written_once(path: Path) -> None:
    """As members of `retclip.store.states`: a word that is misspelt is then refused."""
    if name_of(path) != "retclip.store.states":
        said = {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}
        assert not said & STATES, f"{path}: {said & STATES}"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library: str) -> None:
    for path in PROJECT:
        place = path.relative_to(ROOT).as_posix()
        if any(module.split(".")[0] == library for module, _ in imports(path)):
            assert place.startswith(OWNERS[library]), f"{place} imports {library}; it belongs to {OWNERS[library]}"


@pytest.mark.parametrize("path", PROJECT, ids=name_of)
def test_input_is_never_asserted(path: Path) -> None:
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise an error of retclip.errors"


def test_long_files_and_functions_are_told() -> None:
    """A signal for whoever reviews, no failure: a file is as long as its subject."""
    for path in PROJECT:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONG_FILE:
            warnings.warn(f"{name_of(path)} has {lines} lines", stacklevel=1)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONG_FUNCTION:
                warnings.warn(f"{name_of(path)}.{node.name} is longer than {LONG_FUNCTION} lines", stacklevel=1)


def run_time_imports() -> dict[str, set[str]]:
    """module -> the core's modules that it imports, also within functions; imports for types alone do not count."""
    core = {name_of(path): path for path in PROJECT if path.relative_to(ROOT).parts[0] == "retclip"}
    return {
        module: {other for other, typing_only in imports(path) if not typing_only and other in core and other != module}
        for module, path in core.items()
    }


def test_no_module_needs_itself() -> None:
    """No circle of imports at run time: what imports a module has its place above it."""
    left = run_time_imports()
    while lowest := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in lowest}
    assert left == {}, f"these import one another: {sorted(left)}"


@pytest.mark.parametrize("top", ["store", "workflows"])
def test_folders_lie_above_one_another(top: str) -> None:
    """No two folders of store or workflows need each other."""
    arrows: dict[str, set[str]] = {}
    for module, needed in run_time_imports().items():
        if module.startswith(f"retclip.{top}.") and len(module.split(".")) > 3:
            folder = module.split(".")[2]
            others = {one.split(".")[2] for one in needed if one.startswith(f"retclip.{top}.")}
            arrows.setdefault(folder, set()).update(others - {folder})
    while lowest := {folder for folder, needed in arrows.items() if not needed & arrows.keys()}:
        arrows = {folder: needed for folder, needed in arrows.items() if folder not in lowest}
    assert arrows == {}


@pytest.mark.parametrize("path", [p for p in PROJECT if p.name != "__main__.py"], ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(tree(path)), f"{path} has no docstring"


def test_tests_mirror_the_folders() -> None:
    """Who looks for the tests of a folder finds them in the folder of the same name."""
    folders = {path.parent.relative_to(ROOT / "retclip") for path in PROJECT if path.is_relative_to(ROOT / "retclip")}
    mirrored = [one for one in folders if one.parts and one.parts[0] in MIRRORED]
    assert [str(one) for one in sorted(mirrored) if not list((ROOT / "tests" / one).glob("**/test_*.py"))] == []


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
        bundled = f"{found['name']}=={core['version']}"
        assert bundled in core["optional-dependencies"]["all"], f"{bundled} is not in the extra `all`"
