"""What `retclip` exports stands in public_surface.txt: every name, method, parameter, field and error.

A change of the surface is a change of that file, made by `python tests/test_public_surface.py`, for a reviewer to see.
"""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import retclip

FILE = Path(__file__).with_name("public_surface.txt")
LISTED_ELSEWHERE = {"Settings"}  # its keys stand in docs/reference.md, which a test compares
HEAD = (
    "# Made by python tests/test_public_surface.py: what `retclip` exports. A change here is a change for its users.\n"
)


def surface() -> str:
    return HEAD + "".join(
        f"\n{line}" if line[0] != " " else line for name in retclip.__all__ for line in described(name)
    )


def described(name: str) -> Iterator[str]:
    """The lines of one name."""
    value = getattr(retclip, name)
    if isinstance(value, type) and issubclass(value, retclip.RetCLIPError):
        yield f"error {name}({value.__bases__[0].__name__}), exit code {value.exit_code}\n"
    elif isinstance(value, type):
        frozen = dataclasses.is_dataclass(value) and value.__dataclass_params__.frozen
        yield f"{'record' if frozen else 'class'} {name}\n"
        if name not in LISTED_ELSEWHERE:
            yield from members(value)
    elif callable(value):
        yield f"{name}{signature(value)}\n"
    else:
        yield f"{name}\n"


def members(kind: type) -> Iterator[str]:
    """Fields in their order, then what else a caller may use, by name."""
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    for field in fields:
        default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
        made = "" if field.default_factory is dataclasses.MISSING else f" = {field.default_factory.__name__}()"
        yield f"    {field.name}: {field.type}{default}{made}\n"
    if not fields:
        yield from (f"    {name}: {kind}\n" for name, kind in inspect.get_annotations(kind).items() if name[0] != "_")
    own = {name: value for name, value in vars(kind).items() if name[0] != "_" or name in ("__iter__", "__len__")}
    for name in sorted(own.keys() - {field.name for field in fields}):
        value = own[name]
        getter = value.fget if isinstance(value, property) else getattr(value, "func", None)  # a cached property
        if getter is not None:
            yield f"    {name} -> {inspect.signature(getter).return_annotation}\n"
        elif isinstance(value, classmethod | staticmethod):
            yield f"    {name}{signature(value.__func__)}\n"
        elif inspect.isfunction(value):
            yield f"    {name}{signature(value)}\n"


def signature(function: Any) -> str:
    """Parameters and answer as they are written, without self."""
    found = inspect.signature(function)
    shown = []
    for one in found.parameters.values():
        if one.name in ("self", "cls"):
            continue
        default = "" if one.default is one.empty else f" = {getattr(one.default, '__name__', repr(one.default))}"
        shown.append(f"{one.name}: {one.annotation}{default}")
    return f"({', '.join(shown)}) -> {found.return_annotation}"


def test_the_surface_is_as_it_was_written_down():
    told = "a name, method or parameter changed: if it was meant, run `python tests/test_public_surface.py`"
    assert surface() == FILE.read_text(encoding="utf-8"), told


def test_every_name_is_exported_once_in_order_and_can_be_asked_for():
    functions = [name for name in retclip.__all__ if name[0].islower()]
    assert sorted(set(retclip.__all__)) == list(retclip.__all__) and functions == [
        "doctor",
        "evaluate_diff",
        "evaluate_fusion",
        "evaluate_merge",
        "evaluate_report",
        "open",
        "reproduce",
    ]
    assert set(retclip.__all__) <= set(dir(retclip))
    assert all(getattr(retclip, name) is not None for name in retclip.__all__)


def test_every_error_is_exported():
    from retclip import errors

    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds <= set(retclip.__all__)


def test_every_type_that_the_front_door_returns_is_exported():
    """Whoever annotates a variable finds the name where the method is."""
    answers = {
        inspect.signature(value).return_annotation.removeprefix("tuple[").removesuffix(", ...]")
        for kind in (retclip.RetCLIP, retclip.Classes, retclip.Matches, retclip.Spaces)
        for name, value in vars(kind).items()
        if name[0] != "_" and inspect.isfunction(value) and name not in ("segment", "backbone", "close", "trace")
    }
    assert answers - {"dict[str, Any]"} <= set(retclip.__all__)


def test_the_package_and_its_errors_are_imported_without_any_library():
    script = "import sys, retclip; retclip.DataError; print(sorted({'numpy', 'torch', 'pydantic'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
