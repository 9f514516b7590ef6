"""Files that a setting names: of the user's disk, or of an installed Python package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from retclip.errors import WeightsMissing
from retclip.home import expanded
from retclip.plugin.packages import package_folder
from retclip.plugin.weights import note_used

PACKAGE = "package:"  # before a path inside an installed Python package


def local_file(named: str) -> Path:
    """A path that a setting names: of the user's disk, or `package:NAME/PATH`, a file that comes with an installed
    Python package. Raises WeightsMissing where there is no such package."""
    path = _package_file(named) if named.startswith(PACKAGE) else expanded(named)
    if path.is_file():
        note_used(f"{path.absolute().parent.name}/{path.name}", path)
    return path


def _package_file(named: str) -> Path:
    package, _, inside = named.removeprefix(PACKAGE).partition("/")
    folder = package_folder(package)
    if folder is None:
        todo = "install the distribution that brings it, or name a file"
        raise WeightsMissing(f"a file of the package {package!r}: {named}", "no such package", todo)
    return folder / inside


def require_packaged(settings: Iterable[object]) -> None:
    """Whether the files of installed packages are here that these values of settings name. Raises WeightsMissing."""
    for named in settings:
        if isinstance(named, str) and named.startswith(PACKAGE) and not local_file(named).is_file():
            todo = "install the distribution that brings it, or name another file"
            raise WeightsMissing(f"a file that a package brings: {named}", "none there", todo)
