"""Secrets of the environment go to no address that a file names: it may be of a store that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retclip.config_sections import StoreSection
from retclip.environment import PREFIX, password_of_postgresql, variable
from retclip.errors import ConfigError

TODO = f"set {PREFIX}{{}} to the server that it is meant for"


def require_own_addresses(store: StoreSection, flags: Mapping[str, Any], file: Path | None) -> None:
    """Raises ConfigError where Qdrant's key or PostgreSQL's password would go there.

    Args:
        store: the settings as they were put together.
        flags: those of section `store` that the command itself gives.
        file: the retclip.toml that was read.
    """
    key = variable("STORE__QDRANT_API_KEY") and "qdrant_api_key" not in flags
    if store.index == "server" and key and _by_file("qdrant_url", store.qdrant_url, flags):
        got, expected = f"{store.qdrant_url!r} from {file}", "store.qdrant_url from the environment, where its key is"
        raise ConfigError(expected, got, TODO.format("STORE__QDRANT_URL"))
    database = store.database.get_secret_value()
    if password_of_postgresql() and _by_file("database", database, flags) and _asks_for_password(database):
        got, expected = f"a database from {file}", "store.database from the environment, where PGPASSWORD is"
        raise ConfigError(expected, got, TODO.format("STORE__DATABASE"))


def _by_file(key: str, value: str, flags: Mapping[str, Any]) -> bool:
    return bool(value) and key not in flags and not variable(f"STORE__{key.upper()}")


def _asks_for_password(database: str) -> bool:
    """Whether PostgreSQL's client would take the password from the environment and the server from this URL. Where it
    names no server, that is the environment's own, too."""
    if not database.startswith("postgresql"):
        return False
    try:
        url = urlsplit(database)
        return not url.password and bool(url.hostname or url.query)
    except ValueError:
        return True
