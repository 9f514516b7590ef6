"""A folder of photos for each class, its name the class's: FOLDER[/SPLIT]/CLASS/*.jpg. Underscores count as spaces."""

from __future__ import annotations

from pathlib import Path

from retclip.data.class_choice import AnnotatedSettings, data_set_name
from retclip.data.images import SUFFIXES
from retclip.data.named_images import NamedImage, NamedImages
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import SourceClass


class ClassFolders(NamedImages):
    """An ImageSource: whatever lies below a class's folder shows that class."""

    def __init__(self, settings: AnnotatedSettings) -> None:
        root = Path(settings.path).absolute()
        folder = root / settings.split if settings.split else root
        by_name = _folders(folder)
        images = [
            NamedImage(str(file.relative_to(folder)), file, (name,))
            for name, place in by_name.items()
            for file in sorted(place.rglob("*"))
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
        if not images:
            raise DataError(f"photos in the folders of {folder}", "none", "put each class's photos into its folder")
        name = data_set_name(root, settings.split)
        super().__init__(name, [SourceClass(one, None) for one in by_name], images, settings)


def _folders(folder: Path) -> dict[str, Path]:
    """class -> its folder. Raises DataError where there is none, or two of one name."""
    try:
        places = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise DataError(f"a folder of class folders: {folder}", str(error), "check path and split") from error
    found: dict[str, Path] = {}
    for place in places:
        name = " ".join(place.name.replace("_", " ").split())
        other = next((known for known in found if name_key(known) == name_key(name)), None)
        if not name or other:
            got = f"{place.name!r}" + (f" beside {found[other].name!r}" if other else "")
            raise DataError(f"folders named after different classes in {folder}", got, "rename or join the folders")
        found[name] = place
    if not found:
        raise DataError(f"a folder for each class in {folder}", "no folder", "check path and split")
    return found
