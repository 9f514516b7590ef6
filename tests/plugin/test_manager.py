"""Any plugin may be broken in any way; the others load, and the report names the distribution and the reason."""

from __future__ import annotations

import importlib.metadata
import sys
import textwrap
import types
from dataclasses import dataclass
from typing import Any

import pytest

import retclip
from retclip.errors import ConfigError, ContractBroken, PluginFailed, PluginUnavailable
from retclip.plugin.bundle import absent_plugins
from retclip.plugin.manager import PluginManager, text_threshold
from retclip.types import Device

GOOD = """
from retclip.plugin import Component, Settings, impl
class Options(Settings):
    count: int = 3
class Masks:
    def __init__(self, options, device): self.options = options
    def propose(self, images, vocabulary, features): return []
@impl
def retclip_mask_proposers(): return [Component("masks", "some masks", Options, Masks)]
"""


@dataclass
class Distribution:
    name: str
    version: str = "1.2"
    requires: list[str] | None = None


class Entry:
    """An entry point that runs a piece of source code when it is loaded."""

    def __init__(self, name: str, source: str, distribution: str | None = None) -> None:
        self.name, self.source = name, textwrap.dedent(source)
        self.dist = Distribution(distribution or f"retclip-{name}")

    def load(self) -> Any:
        module = types.ModuleType(f"plugin_{self.name}")
        exec(compile(self.source, self.name, "exec"), module.__dict__)
        return module


BROKEN = {
    "import error": ("import no_such_library", "import", "no_such_library"),
    "runtime error": ("raise RuntimeError('operator torchvision::nms does not exist')", "import", "nms"),
    "syntax error": ("def (", "import", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "import", "SystemExit"),
    "speechless": (
        "class Odd(Exception):\n    def __str__(self): raise KeyError('no text')\nraise Odd", "import", "Odd"
    ),
    "panics": ("class PanicException(BaseException): pass\nraise PanicException('unwrap')", "import", "PanicException"),
    "exits while announcing": (
        GOOD.split("@impl")[0] + "@impl\ndef retclip_backbones(): raise SystemExit(3)", "announce", "SystemExit",
    ),
    "weights not to be called": (GOOD.replace("Options, Masks", "Options, Masks, weights=3"), "announce", "weights"),
    "no weights": (GOOD.replace("Options, Masks", "Options, Masks, published=['x']"), "announce", "Weights"),
    "provides a text": (GOOD.replace("Options, Masks", "Options, Masks, provides='text'"), "announce", "sets"),
    "no hook": ("x = 1", "register", "no hook"),
    "misspelt hook": (GOOD.replace("retclip_mask_proposers", "retclip_mask_proposer"), "register", "proposer"),
    "wrong argument": (GOOD.replace("proposers():", "proposers(colour):"), "register", "colour"),
    "raises": (GOOD.split("@impl")[0] + "@impl\ndef retclip_backbones(): raise ValueError('oh')", "announce", "oh"),
    "no component": (GOOD.replace('[Component("masks", "some masks", Options, Masks)]', "[3]"), "announce", "int"),
    "bad name": (GOOD.replace('"masks"', '"My Masks"'), "announce", "My Masks"),
    "twice": (GOOD + "    ", "clash", "already used"),
    "two of a name": (
        GOOD.replace("[Component", "[Component('masks', 'x', Options, Masks), Component"), "announce", "taken",
    ),
    "no settings": (GOOD.replace("Options, Masks", "dict, Masks"), "announce", "pydantic"),
    "lenient settings": (
        GOOD.replace("(Settings):", "(__import__('pydantic').BaseModel):"), "announce", "unknown keys",
    ),
    "nothing to call": (GOOD.replace("Options, Masks", "Options, 7"), "announce", "called"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_work(fault: str) -> None:
    source, stage, reason = BROKEN[fault]
    name = "good" if fault == "twice" else "bad"
    entries = [Entry("good", GOOD), Entry(name, source, "their-plugin")]
    found = PluginManager.discover(entry_points=entries)
    assert [one.full_name for one in found.components()] == ["good.masks"]
    (failure,) = found.failures
    assert (failure.distribution if fault != "twice" else "their-plugin") == "their-plugin"
    assert failure.version == "1.2"
    assert failure.stage == stage
    assert reason in failure.reason


@pytest.mark.parametrize(
    ("requires", "works"),
    [
        (["retclip>=99"], False),
        (["numpy>=99", "retclip>=0.1,<0.2"], True),
        (["retclip==0.0.1"], False),
        (["retclip"], True),
        (['retclip>=99; python_version < "3"'], True),
        (['retclip>=99; extra == "test"'], True),
        (["this is no requirement"], False),
        (None, True),
    ],
)
def test_a_plugin_for_another_retclip_is_named_before_it_is_imported(requires: list[str] | None, works: bool) -> None:
    entry = Entry("other", GOOD if works else "raise AssertionError('it was imported')")
    entry.dist.requires = requires
    found = PluginManager.discover(entry_points=[entry, Entry("good", GOOD)])
    assert [one.stage for one in found.failures] == ([] if works else ["version"])
    assert [one.plugin for one in found.components()] == (["good", "other"] if works else ["good"])
    if requires == ["retclip>=99"]:
        assert found.failures[0].reason == f"RuntimeError: it needs retclip >=99, this is {retclip.__version__}"


def test_strict_stops_at_the_first_broken_plugin() -> None:
    with pytest.raises(PluginUnavailable, match="their-plugin"):
        PluginManager.discover(strict=True, entry_points=[Entry("bad", "import nothing_there", "their-plugin")])


def test_a_disabled_plugin_is_not_even_imported() -> None:
    entries = [Entry("bad", "raise RuntimeError"), Entry("good", GOOD)]
    assert PluginManager.discover(["bad"], entry_points=entries).failures == ()
    assert PluginManager.discover(["retclip-bad"], entry_points=entries).failures == ()


def manager(source: str = GOOD, *more: Entry) -> PluginManager:
    return PluginManager.discover(entry_points=[Entry("good", source), *more])


def test_found_by_full_name_and_by_own_name() -> None:
    assert manager().find("proposer", "good.masks") is not None
    assert manager().find("proposer", "masks").full_name == "good.masks"


def test_an_ambiguous_name_asks_for_the_full_one() -> None:
    with pytest.raises(PluginUnavailable, match=r"good\.masks or other\.masks"):
        manager(GOOD, Entry("other", GOOD)).find("proposer", "masks")


def test_a_missing_component_names_the_nearest_and_the_failure() -> None:
    with pytest.raises(PluginUnavailable, match=r"did you mean 'good\.masks'"):
        manager().find("proposer", "good.mask")
    broken = manager(GOOD, Entry("boxes", "import nothing_there"))
    with pytest.raises(PluginUnavailable, match=r"retclip-boxes 1\.2.*nothing_there"):
        broken.find("proposer", "boxes.sam")


def test_where_no_plugin_is_installed_the_bundle_is_named() -> None:
    with pytest.raises(PluginUnavailable, match=r"here are: none; pip install 'retclip\[all\]'"):
        PluginManager.discover(entry_points=[]).find("backbone", "own.keys")


@pytest.mark.parametrize(("installed", "named"), [(("retclip-good",), True), (("retclip-good", "retclip-bad"), False)])
def test_a_plugin_of_the_bundle_that_is_not_installed_is_named(monkeypatch, installed, named) -> None:
    def version(distribution: str) -> str:
        if distribution not in installed:
            raise importlib.metadata.PackageNotFoundError
        return "0.1.0"

    lines = ['retclip-good==0.1.0; extra == "all"', 'retclip-bad==0.1.0; extra == "all"', "numpy>=2"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: lines)
    monkeypatch.setattr(importlib.metadata, "version", version)
    assert absent_plugins() == (("bad",) if named else ())
    with pytest.raises(PluginUnavailable, match=r"here are: good\.masks") as caught:
        manager().find("proposer", "bad.masks")
    assert ("pip install" in str(caught.value)) is named


def test_settings_are_checked_before_anything_loads() -> None:
    with pytest.raises(ConfigError, match="did you mean 'count'"):
        manager().load("proposer", "masks", {"cuont": 3}, Device())
    with pytest.raises(ConfigError, match="count"):
        manager().load("proposer", "masks", {"count": "many"}, Device())
    assert manager().load("proposer", "masks", {"count": 5}, Device()).options.count == 5


def test_what_loads_but_is_no_proposer() -> None:
    with pytest.raises(ContractBroken, match="propose"):
        manager(GOOD.replace("def propose", "def suggest")).load("proposer", "masks", {}, Device())


def test_a_component_that_cannot_load_says_whose_it_is() -> None:
    source = GOOD.replace("self.options = options", "raise OSError('no weights')")
    with pytest.raises(PluginUnavailable, match=r"no weights.*retclip-good 1\.2"):
        manager(source).load("proposer", "masks", {}, Device())


@pytest.mark.parametrize("fault", ["SystemExit(3)", "type('PanicException', (BaseException,), {})('unwrap')"])
def test_an_exit_or_a_panic_while_loading_ends_no_program(fault: str) -> None:
    source = GOOD.replace("self.options = options", f"raise {fault}")
    with pytest.raises(PluginUnavailable, match=r"SystemExit: 3|PanicException: unwrap"):
        manager(source).load("proposer", "masks", {}, Device())


@pytest.mark.parametrize("weights", ["None", "'a name'", "[3]"])
def test_what_are_no_weights_is_a_broken_contract(weights: str) -> None:
    source = GOOD.replace("Options, Masks", f"Options, Masks, weights=lambda _: {weights}")
    with pytest.raises(ContractBroken, match=r"weights of type Weights from good\.masks"):
        manager(source).load("proposer", "masks", {}, Device())
    info = manager(source).find("proposer", "masks")
    with pytest.raises(ContractBroken):
        manager(source).require_weights([info], lambda _: {})
    assert manager(source).weights() == {}


def test_weights_that_cannot_be_told_are_the_plugin_s_fault() -> None:
    source = GOOD.replace("Options, Masks", "Options, Masks, weights=lambda _: 1 / 0")
    with pytest.raises(PluginFailed, match=r"good\.masks to say which weights it needs; got ZeroDivisionError"):
        manager(source).load("proposer", "masks", {}, Device())


@pytest.mark.parametrize("threshold", ["1.5", "'high'", "float('nan')"])
def test_a_text_threshold_that_is_no_cosine_is_a_broken_contract(threshold: str) -> None:
    info = manager(GOOD.replace("Options, Masks", f"Options, Masks, text_threshold=lambda _: {threshold}")).find(
        "proposer", "masks"
    )
    with pytest.raises(ContractBroken, match=r"a text threshold in \[-1, 1\] or None from good\.masks"):
        text_threshold(info, info.component.settings())
    good = manager().find("proposer", "masks")
    assert text_threshold(good, good.component.settings()) == 0.95, "the paper's where nobody says"


@pytest.mark.parametrize(
    ("hook", "kind", "body", "says"),
    [
        (
            "backbones",
            "backbone",
            "space = 3; dense_features = segment_vectors = text_vectors = len",
            "FeatureSpace",
        ),
        ("classifiers", "classifier", "role = 'clip'; score = len", "Role"),
    ],
)
def test_a_component_that_states_itself_in_another_form_is_told(hook: str, kind: str, body: str, says: str) -> None:
    source = GOOD.replace("def propose(self, images, vocabulary, features): return []", body)
    source = source.replace("retclip_mask_proposers", f"retclip_{hook}")
    with pytest.raises(ContractBroken, match=rf"{says}.* from good\.masks"):
        manager(source).load(kind, "masks", {}, Device())


def test_ours_all_load_and_import_no_model_library() -> None:
    """Listing must stay fast: torch, scikit-image and the like come with the first `load`."""
    import subprocess

    code = (
        "import sys; from retclip.plugin.manager import PluginManager; m = PluginManager.discover()\n"
        "print(len(m.components()) > 5, [f.reason for f in m.failures],"
        " sorted(set(sys.modules) & {'torch', 'skimage', 'scipy.ndimage', 'torchvision', 'transformers'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split(" ", 1)[0] == "True", found.stdout
    assert "'torch'" not in found.stdout and "'skimage'" not in found.stdout
