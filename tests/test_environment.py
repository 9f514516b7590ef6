"""The names of environment variables: any case counts, a misspelt one is told, of two spellings neither wins."""

import os
import subprocess
import sys

import pytest

from retclip.environment import check_variables, give_photos_back, let_threads_rest, variable
from retclip.errors import ConfigError

TABLES = {"preset": (), "retrieval": ("k", "per_class"), "store": ("index",), "plugin": ()}


@pytest.mark.parametrize("name", ["RETCLIP_STORE", "retclip_store", "Retclip_Store"])
def test_a_variable_counts_in_whatever_case_it_is_written(monkeypatch, name):
    assert variable("STORE") is None
    monkeypatch.setenv(name, "street")
    assert variable("STORE") == "street"
    check_variables(TABLES)


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("RETCLIP_STORE", "")
    assert variable("STORE") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("RETCLIP_RETREIVAL__K", "did you mean RETCLIP_RETRIEVAL__K"),
        ("Retclip_Retreival__K", "did you mean RETCLIP_RETRIEVAL__K"),
        ("retclip_stor", "did you mean RETCLIP_STORE"),
        ("RetClip_Stroe", "did you mean RETCLIP_STORE"),
        ("RETCLIP_CONFG", "did you mean RETCLIP_CONFIG"),
        ("retclip_zzz", "known: preset, retrieval, store, plugin"),
        ("RETCLIP_RETRIEVAL_K", "did you mean RETCLIP_RETRIEVAL__K"),
        ("retclip_retrieval_per_class", "did you mean RETCLIP_RETRIEVAL__PER_CLASS"),
    ],
)
def test_a_misspelt_variable_is_told_as_it_was_written(monkeypatch, name, hint):
    monkeypatch.setenv(name, "3")
    with pytest.raises(ConfigError, match=f"got {name} in the environment; {hint}"):
        check_variables(TABLES)


def test_two_spellings_of_one_name_are_refused_where_they_differ(monkeypatch):
    monkeypatch.setenv("RETCLIP_RETRIEVAL__K", "3")
    monkeypatch.setenv("retclip_retrieval__k", "3")
    check_variables(TABLES)
    monkeypatch.setenv("retclip_retrieval__k", "4")
    with pytest.raises(ConfigError, match="one value of a setting"):
        check_variables(TABLES)


def test_other_variables_are_passed_over(monkeypatch):
    for name in ("RETCLIP_CONFIG", "RETCLIP_TEST_X", "OTHER_RETCLIP_X", "RETCLIPX", "RETCLIP_PLUGIN__A__B__C"):
        monkeypatch.setenv(name, "x")
    check_variables(TABLES)


def test_numpy_takes_one_thread_and_whoever_chose_how_torchs_wait_is_heard(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    let_threads_rest()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_threads_rest()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_whoever_chose_pillows_blocks_is_heard(monkeypatch):
    monkeypatch.delenv("PILLOW_BLOCK_SIZE", raising=False)
    give_photos_back()
    assert os.environ["PILLOW_BLOCK_SIZE"] == "64m"
    monkeypatch.setenv("PILLOW_BLOCK_SIZE", "1m")
    give_photos_back()
    assert os.environ["PILLOW_BLOCK_SIZE"] == "1m"


def test_the_program_says_so_before_numpy_or_torch_is_loaded():
    """After that nobody reads it."""
    code = (
        "import sys, os, retclip.cli; assert not {'numpy', 'torch', 'PIL'} & {*sys.modules}\n"
        "sys.argv = ['retclip', '--help']\n"
        "try: retclip.cli.main()\n"
        "except SystemExit: print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['PILLOW_BLOCK_SIZE'], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.split()[-2:] == ["1", "64m"], done.stderr
