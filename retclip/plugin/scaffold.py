"""`retclip plugins new`: a complete plugin distribution with passing tests, from the text files in `template/`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from retclip._version import __version__
from retclip.errors import ConfigError

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class _Kind:
    module: str  # of the file that does the work
    usage: str  # a command that uses the component
    settings: str  # what the contract test gives the component, as Python
    package_data: str = ""  # what the distribution holds beside modules, as TOML


KINDS = {
    "proposer": _Kind("stripes", "retclip segment PHOTO --proposer $name.$name", "{}"),
    "classifier": _Kind("share", "retclip segment PHOTO --classifier $name.$name", "{}"),
    "backbone": _Kind("mean_colour", "retclip build SOURCE --store NEW --backbone $name.$name", "{}"),
    "source": _Kind("class_folders", "retclip class add NAME '$name:PATH' --store STORE", '{"path": str(tmp_path)}'),
    "class_file": _Kind(
        "make", "retclip class import $name --store STORE", "{}",
        '\n[tool.setuptools.package-data]\n$package = ["*.zip"]\n',
    ),
}  # fmt: skip


def write_plugin(name: str, kind: str, folder: Path, taken: Collection[str] = ()) -> Path:
    """Write FOLDER/retclip-NAME and return it. taken: names of plugins that are installed.

    Raises ConfigError for a name that cannot be or is taken, an unknown kind, and a folder that is there already.
    """
    if kind not in KINDS:
        raise ConfigError(f"a kind, one of {', '.join(KINDS)}", repr(kind), "choose with --kind")
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError("a name of lower-case letters, digits and _", repr(name), "choose another, e.g. my_masks")
    if name in taken:
        raise ConfigError("a name of its own", f"{name!r}, which an installed plugin has", "choose another")
    target = folder / f"retclip-{name.replace('_', '-')}"
    if target.exists():
        raise ConfigError(f"no {target} yet", "a folder that is there", "remove it, or choose another name")
    values = _values(name, kind)
    try:
        for path, text in _texts(kind, values).items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(Template(text).substitute(values), encoding="utf-8")
        if kind == "class_file":
            (target / values["package"] / "classes.zip").write_bytes(example_class_file())
    except OSError as error:
        raise ConfigError(f"a folder that can be written: {folder}", str(error), "choose another: --folder") from error
    return target


def _values(name: str, kind: str) -> dict[str, str]:
    hook = KINDS[kind]
    values = {"name": name, "kind": kind, "module": hook.module, "settings": hook.settings}
    values |= {"package": f"retclip_{name}", "distribution": f"retclip-{name.replace('_', '-')}"}
    package_data = Template(hook.package_data).substitute(values)
    usage = Template(hook.usage).substitute(values)
    return {**values, "usage": usage, "package_data": package_data, "retclip": __version__}


def example_class_file() -> bytes:
    """Return a class file of one segment, the left half of a photo of 4 x 2 pixels."""
    import numpy as np

    from retclip.data import rle
    from retclip.data.class_file.records import ClassFile, FileClass, FileOrigin, FilePhoto, FileSegment
    from retclip.data.class_file.writing import packed_class_file
    from retclip.types import FeatureSpace

    mask = np.array([[True, True, False, False]] * 2)
    segment = FileSegment.model_validate({
        "photo": 0, "origin": 0, "class": 0, "prompt": "example", "ordinal": 0, "box": (0, 0, 2, 2), "area": 4,
        "counts": rle.encode(mask)["counts"], "label_source": "person", "confidence": 1.0, "score": 1.0,
    })  # fmt: skip
    photo = FilePhoto(sha256="0" * 64, id="example.png", width=4, height=2, licence="CC0 1.0")
    origin = FileOrigin(data_set="example", source="example.png", proposer="example.hand", proposer_version="1")
    space = FeatureSpace("example.colour", "none", "none", "mean-1", 3)
    vectors = np.eye(1, 3, dtype=np.float16)
    return packed_class_file(ClassFile(space, (FileClass(name="example"),), (photo,), (origin,), (segment,), vectors))


def _texts(kind: str, values: dict[str, str]) -> dict[str, str]:
    """Path in the distribution -> template."""
    template = files("retclip.plugin") / "template"
    common, own = template / "common", template / "kinds"
    return {
        "pyproject.toml": (common / "pyproject.toml.txt").read_text("utf-8"),
        "README.md": (common / "README.md.txt").read_text("utf-8"),
        "tests/test_contract.py": (common / "test_contract.py.txt").read_text("utf-8"),
        f"tests/test_{values['module']}.py": (own / f"{kind}.test.txt").read_text("utf-8"),
        f"{values['package']}/__init__.py": (own / f"{kind}.init.txt").read_text("utf-8"),
        f"{values['package']}/{values['module']}.py": (own / f"{kind}.work.txt").read_text("utf-8"),
    }
