"""What the environment's RETCLIP_... variables are called, and what a misspelt one is told.

RETCLIP_TABLE__KEY is a setting, RETCLIP_CONFIG a file of settings, RETCLIP_STORE the folder where `--store` names none,
RETCLIP_DEFAULT_PRESET the preset where neither a flag nor RETCLIP_PRESET nor the file names one.
A name counts in whatever case it is written.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence

from retclip.errors import ConfigError

PREFIX = "RETCLIP_"
CONFIG, STORE, DEFAULT_PRESET = "CONFIG", "STORE", "DEFAULT_PRESET"
NOT_SETTINGS = (CONFIG, STORE, DEFAULT_PRESET)  # variables of ours that are no keys of the file, like RETCLIP_TEST_...


def variable(key: str) -> str | None:
    """The value of RETCLIP_`key`, None where it is not set or empty."""
    variable_name = f"{PREFIX}{key}"
    return next((value for name, value in os.environ.items() if name.upper() == variable_name and value), None)


def let_threads_rest() -> None:
    """Have NumPy's products run in one thread, whatever was said, and torch's threads sleep while they wait.

    NumPy's are small here: their threads would wait for one another, and on a machine with other work that takes many
    times as long as the products. Both libraries read this once, when they are loaded, so it belongs to the start of a
    program. Whoever set OMP_WAIT_POLICY is heard.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def give_photos_back() -> None:
    """Have Pillow take the memory of a photo in blocks of 64 MiB, so that it goes back to the system with the photo.

    Smaller blocks than 32 MiB are kept by glibc for the thread that decodes, 200 MB after one of 50 megapixels. Pillow
    reads this when it is loaded. Whoever set PILLOW_BLOCK_SIZE is heard.
    """
    os.environ.setdefault("PILLOW_BLOCK_SIZE", "64m")


def password_of_postgresql() -> bool:
    """Whether the environment holds a password that PostgreSQL's client gives to whatever server it talks to."""
    return bool(os.environ.get("PGPASSWORD"))


def check_variables(tables: Mapping[str, Sequence[str]]) -> None:
    """Refuse a variable that names no setting, and two that differ only by case: one of them would win by chance.

    tables: the keys of each table of settings, by the table's name. Raises ConfigError.
    """
    spelt: dict[str, str] = {}
    for name in (name for name in os.environ if name.upper().startswith(PREFIX)):
        key = name.upper().removeprefix(PREFIX)
        if not (key in NOT_SETTINGS or key.startswith("TEST_") or key.lower().partition("__")[0] in tables):
            raise ConfigError("a variable that names a setting", f"{name} in the environment", _nearest(key, tables))
        earlier = spelt.setdefault(name.upper(), name)
        if os.environ[earlier] != os.environ[name]:
            raise ConfigError("one value of a setting", f"{earlier} and {name} in the environment", "unset one of them")


def nearest_key(key: str, keys: Sequence[str]) -> str:
    """A hint for a misspelt key: the nearest one, or all of them."""
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(keys) or 'none'}"


def _nearest(key: str, tables: Mapping[str, Sequence[str]]) -> str:
    """One underscore where two part table and key is the likeliest mistake; then a near variable, then all tables."""
    names = [f"{table}__{key}".upper() for table, keys in tables.items() for key in keys]
    with_one = {name.replace("__", "_"): name for name in names}
    near = difflib.get_close_matches(key, [*NOT_SETTINGS, *names, *map(str.upper, tables)], n=1, cutoff=0.7)
    if key in with_one or near:
        return f"did you mean {PREFIX}{with_one.get(key) or near[0]}?"
    return f"known: {', '.join(tables)}"
