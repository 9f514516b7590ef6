"""Where a user's own files lie: asked when it is needed, for a container's account may have no home at all."""

from __future__ import annotations

from pathlib import Path

from retclip.errors import ConfigError

TODO = "set HOME; for weights alone, weights.folder (RETCLIP_WEIGHTS__FOLDER)"


def home_folder() -> Path:
    """The user's folder. Raises ConfigError where neither HOME nor the account names one."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigError("a home folder", "no HOME, and an account without one", TODO) from error


def expanded(path: str | Path) -> Path:
    """The path, a leading ~ or ~NAME replaced by that user's home. Raises ConfigError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"a path whose home folder is known: {path}", str(error), TODO) from error
