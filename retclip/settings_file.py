"""Writes the retclip.toml of a new store: the chosen settings, and every other one as a comment with its default."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from retclip import config
from retclip.errors import StoreError
from retclip.own_files import written_whole
from retclip.presets import PRESETS


def write_settings(store: Path, chosen: Mapping[str, Any], base: Path | None, preset: str) -> Path | None:
    """Write STORE/retclip.toml: the settings of `base` and `chosen`, the rest as comments.

    preset: the one in effect, written in any case: another one may be the default tomorrow.

    One that is there stays where it says all that already; else it is kept as retclip.toml.bak (or .bak2, .bak3 ...
    where there is another already), which is returned.
    Raises StoreError where the folder cannot be written; the file is as before then.
    """
    path = store / config.FILE
    earlier = _free_backup(path) if path.exists() else None
    source = path if earlier else base
    before = config.read_file(source) if source else {}
    settings = config.merged(before, chosen)
    if earlier and settings == before:
        return None
    try:
        _replace(path, _told({"preset": preset, **settings}), earlier)
    except OSError as error:
        todo = "make the folder writable, or make room"
        raise StoreError(f"a settings file that can be written: {path}", str(error), todo) from error
    return earlier


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return a settings file's text: these settings, every other one as a comment with its default.

    settings: tables, with the preset.
    """
    return _told(settings)


def lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a store remembers: those that its vectors and masks depend on.

    The device, the number of processes and retries are left out.
    """
    sections = {name: section for name, section in settings.items() if name != "device"}
    of_machine = ("executor", "workers", "ray_address", "retry_failed")
    build = {key: value for key, value in settings.get("build", {}).items() if key not in of_machine}
    return {**sections, **({"build": build} if "build" in settings else {})}


def _free_backup(path: Path) -> Path:
    """Return an unused name for a copy of the file."""
    names = (path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not name.exists())


def _replace(path: Path, text: str, earlier: Path | None) -> None:
    """Replace the file atomically."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if earlier:
            shutil.copy2(path, earlier)


def _told(settings: Mapping[str, Any]) -> str:
    preset = PRESETS[settings["preset"]]
    lines = [
        "# Settings of this store. Lines that start with '#' show the default.",
        f"preset = {_toml(settings['preset'])}",
    ]
    for name, field in config.Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            below = field.default.model_copy(update=preset.get(name, {}))
            lines += ["", f"[{name}]", *_section(type(field.default), below, settings.get(name, {}))]
    for plugin, components in settings.get("plugin", {}).items():
        for component, values in components.items():
            lines += [
                "",
                f"[plugin.{plugin}.{component}]",
                *(f"{key} = {_toml(entry)}" for key, entry in values.items()),
            ]
    return "\n".join(lines) + "\n"


def _section(model: type[BaseModel], defaults: BaseModel, settings: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, field in model.model_fields.items():
        note = f"  # {field.description}" if field.description else ""
        if key in settings and field.annotation is not SecretStr:  # a secret belongs in the environment
            lines.append(f"{key} = {_toml(settings[key])}{note}")
        else:
            lines.append(f"# {key} = {_toml(getattr(defaults, key))}{note}")
    return lines


def _toml(value: Any) -> str:
    """Return a plain value as TOML; its strings, numbers and booleans are spelt as in JSON."""
    if isinstance(value, SecretStr):
        return '""'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
