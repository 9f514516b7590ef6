"""Files that a setting names: of the user's disk, or of an installed Python package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from retclip.errors import WeightsMissing
from retclip.home import expanded
from retclip.plugin.packages import package_folder
from retclip.plugin.weights import note_used

PACKAGE = "package:"  # before a path inside an installed Python package


def local_file(setting: str) -> Path:
    """Return the path that a setting names: of the user's disk, or `package:NAME/PATH`, a file of an installed package.

    Raises WeightsMissing where there is no such package.
    """
    path = _package_file(setting) if setting.startswith(PACKAGE) else expanded(setting)
    if path.is_file():
        note_used(f"{path.absolute().parent.name}/{path.name}", path)
    return path


def _package_file(setting: str) -> Path:
    package, _, inside = setting.removeprefix(PACKAGE).partition("/")
    folder = package_folder(package)
    if folder is None:
        todo = "install the distribution that brings it, or name a file"
        raise WeightsMissing(f"a file of the package {package!r}: {setting}", "no such package", todo)
    return folder / inside


def require_packaged(settings: Iterable[object]) -> None:
    """Check that the installed packages have the files that these settings name. Raises WeightsMissing."""
    for setting in settings:
        if isinstance(setting, str) and setting.startswith(PACKAGE) and not local_file(setting).is_file():
            todo = "install the distribution that brings it, or name another file"
            raise WeightsMissing(f"a file that a package brings: {setting}", "none there", todo)
