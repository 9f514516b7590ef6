"""Help and listings answer without loading any model library: sys.modules is asked, not a clock."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "skimage", "scipy", "sqlalchemy", "qdrant_client", "qdrant_edge")
SCRIPT = """
import json, sys
import retclip.cli
sys.argv = ["retclip", *json.loads(sys.argv[1])]
try:
    retclip.cli.main()
except SystemExit as stop:
    code = stop.code
sys.stderr.write(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def modules_after(*arguments):
    """(stdout, exit code, the packages that were imported) of a call in a fresh interpreter."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    code, names = json.loads(ran.stderr.splitlines()[-1])
    return ran.stdout, code, set(names)


def test_the_help_of_the_program_lists_every_command_and_loads_nothing_heavy():
    out, code, names = modules_after("--help")
    assert code in (0, None)
    for command in ("init", "build", "segment", "class", "explain", "evaluate", "doctor", "db", "plugins"):
        assert command in out
    assert not names & set(HEAVY)


def test_the_listing_of_components_loads_no_model_library():
    out, code, names = modules_after("plugins", "list", "--json")
    assert code in (0, None)
    assert {one["kind"] for one in json.loads(out)["components"]} == {
        "backbone",
        "proposer",
        "classifier",
        "source",
        "class_file",
    }
    assert not names & {"torch", "torchvision", "skimage"}


def test_the_listing_of_presets_loads_no_model_library(tmp_path):
    out, code, names = modules_after("presets", "--json", "--store", str(tmp_path / "gone"))
    assert code in (0, None) and len(json.loads(out)) > 5
    assert not names & {"torch", "torchvision", "skimage"}


def test_importing_the_package_loads_neither_torch_nor_numpy():
    script = "import sys, retclip; print(sorted({'torch', 'numpy'} & set(sys.modules)), retclip.__version__)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split()[0] == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ("init",), ("build",), ("segment",), ("class", "add"), ("class", "list"), ("explain",), ("evaluate",),
        ("fallback", "fill"), ("fallback", "list"), ("fallback", "accept"), ("fallback", "reject"), ("fallback", "map"),
        ("doctor",), ("db", "current"), ("db", "check"), ("db", "upgrade"), ("plugins", "list"), ("plugins", "info"),
        ("plugins", "check"), ("plugins", "new"),
    ],
)  # fmt: skip
def test_every_command_has_a_help_with_a_sentence(run, command):
    ran = run(*command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert run(*command, "-h") == ran
    assert "Usage" in ran.out
    assert "." in ran.out


def test_the_version_is_printed(run):
    import retclip

    assert run("--version").out == f"retclip {retclip.__version__}\n"
