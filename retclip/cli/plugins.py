"""`retclip plugins list | info | check | new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retclip.plugin.discovery import ComponentInfo
    from retclip.plugin.manager import PluginManager

app = typer.Typer(help="Components and the distributions they come from.", no_args_is_help=True)


def _manager() -> PluginManager:
    from retclip.config import load
    from retclip.session import plugins_of

    return plugins_of(load())


def _find(manager: PluginManager, name: str, kind: str | None) -> ComponentInfo:
    """Return a component of any kind; `manager.find` has the error where there is none or more than one."""
    from retclip.plugin.discovery import KINDS

    if kind is not None and kind not in KINDS:
        raise ConfigError(f"a kind, one of {', '.join(KINDS)}", repr(kind), "choose with --kind")
    matches = [info for info in manager.components(kind) if name in (info.full_name, info.name)]
    if len(matches) == 1:
        return matches[0]
    return manager.find(kind or ("component" if not matches else matches[0].kind), name)


Kind = Annotated[str | None, typer.Option(help="backbone, proposer, classifier, source or class_file.")]


@app.command("list")
def list_plugins(json: options.Json = False) -> None:
    """Every component, and every plugin that failed to load with the reason. Loads no model library."""
    from retclip.plugin.bundle import CURE, absent_plugins

    manager = _manager()
    rows = [(o.kind, o.full_name, o.version, o.distribution, o.component.summary) for o in manager.components()]
    if json:
        keys = ("kind", "name", "version", "distribution", "summary")
        components = [dict(zip(keys, row, strict=True)) for row in rows]
        output.data({"components": components, "failures": [vars(failure) for failure in manager.failures]})
        return
    output.table("components", ("kind", "name", "version", "distribution", "what it is"), rows)
    for failure in manager.failures:
        output.message(
            f"plugin {failure.plugin} ({failure.distribution} {failure.version}) "
            f"failed at {failure.stage}: {failure.reason}"
        )
    if absent := absent_plugins():
        output.message(f"not installed of this project's plugins: {', '.join(absent)}; {CURE}")


@app.command()
def info(
    name: Annotated[str, typer.Argument()],
    kind: Kind = None,
    settings: options.Set = None,
    json: options.Json = False,
) -> None:
    """A component's settings with their defaults, and what it needs and provides."""
    from retclip.plugin.contracts import TEXT

    info = _find(_manager(), name, kind)
    schema = info.component.settings.model_json_schema()
    described = {
        "kind": info.kind, "name": info.full_name, "summary": info.component.summary,
        "distribution": info.distribution, "version": info.version,
        "provides": sorted(info.component.provides), "needs": sorted(info.component.needs),
        "settings": schema.get("properties", {}),
    }  # fmt: skip
    matching = _text_matching(info, settings or ())
    if json:
        output.data({**described, **matching})
        return
    output.message(f"{info.kind} {info.full_name} ({info.distribution} {info.version}): {info.component.summary}")
    if matching:
        above = matching["text_threshold"]
        how = "by spelling alone: its texts say too little" if above is None else f"by text above cosine {above:g}, too"
        output.message(f"names are matched with a store's {how} (matching.threshold)")
    elif TEXT in info.component.provides:
        output.message("how names are matched with a store's depends on its settings: --set KEY=VALUE")
    section = f"[plugin.{info.full_name}]"
    rows = [
        (key, property_schema.get("default", "required"), property_schema.get("description", ""))
        for key, property_schema in described["settings"].items()
    ]
    output.table(section, ("setting", "default", "meaning"), rows)


def _text_matching(info: ComponentInfo, settings: Sequence[str]) -> dict[str, float | None]:
    """Return the threshold of label matching of a backbone that reads, with its settings; nothing of any other."""
    from retclip.plugin.contracts import TEXT
    from retclip.plugin.manager import checked_settings, text_threshold

    if TEXT not in info.component.provides:
        return {}
    if not settings and any(field.is_required() for field in info.component.settings.model_fields.values()):
        return {}  # it depends on settings that have no default
    return {"text_threshold": text_threshold(info, checked_settings(info, options.with_settings({}, settings)))}


@app.command()
def check(
    name: Annotated[str, typer.Argument()],
    kind: Kind = None,
    path: Annotated[str | None, typer.Option(help="For a source: a data set to read.")] = None,
    settings: options.Set = None,
    json: options.Json = False,
) -> None:
    """Run the conformance kit over a component; exit code 4 where it breaks its contract, 6 where its weights are not
    here to try it with, 2 or 3 where it refuses a setting or a file."""
    from retclip.config import load
    from retclip.device import choose
    from retclip.plugin.conformance import check_component, require_kept, summary
    from retclip.plugin.manager import checked_settings

    info = _find(_manager(), name, kind)
    shared = {**({"path": path} if path else {}), **options.with_settings({}, settings)}
    checked_settings(info, shared)  # what the user gave is the user's mistake, not the plugin's
    loaded = load()
    findings = check_component(info, shared, choose(loaded.device, info.kind), loaded.weights.place)
    if json:
        output.data([{key: getattr(finding, key) for key in ("check", "ok", "detail")} for finding in findings])
    else:
        marks = {True: "ok", False: "BROKEN", None: "skipped"}
        output.table(info.full_name, ("", "check", "detail"), [(marks[f.ok], f.check, f.detail) for f in findings])
    output.message(summary(info, findings))
    require_kept(info, findings)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")],
    kind: Annotated[str, typer.Option(help="backbone, proposer, classifier or source.")] = "proposer",
    folder: Annotated[Path, typer.Option(help="Where the distribution's folder is made.")] = Path(),
) -> None:
    """Write a complete plugin distribution with passing tests."""
    from retclip.plugin.scaffold import write_plugin

    names = {info.plugin for info in _manager().components()}
    where = write_plugin(name, kind, folder, names)
    output.message(f"wrote {where}")
    output.message(f"next: pip install -e {where} && retclip plugins check {name}.{name}")
