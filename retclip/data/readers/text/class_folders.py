"""A folder of photos for each class, its name the class's: FOLDER[/SPLIT]/CLASS/*.jpg. Underscores count as spaces."""

from __future__ import annotations

from pathlib import Path

from retclip.data.class_choice import AnnotatedSettings, data_set_name
from retclip.data.photo_files import photos_in
from retclip.data.readers.text.named_images import NamedImage, NamedImages
from retclip.errors import DataError
from retclip.names import checked_name, name_key, spaced
from retclip.passed_over import PassedOver, Tally
from retclip.plugin.contracts import SourceClass

IN_NO_FOLDER = "photos in no class's folder"


class ClassFolders(NamedImages):
    """An ImageSource: whatever lies below a class's folder shows that class."""

    def __init__(self, settings: AnnotatedSettings) -> None:
        root = Path(settings.path).absolute()
        folder = root / settings.split if settings.split else root
        by_name = _folders(folder)
        self._tally = Tally()
        images = []
        for name, place in by_name.items():
            photos, other = photos_in(place, recursive=True)
            self._tally.add(other)
            images += [NamedImage(str(file.relative_to(folder)), file, (name,)) for file in photos]
        self._tally.skip(IN_NO_FOLDER, len(photos_in(folder)[0]))
        if not images:
            raise DataError(f"photos in the folders of {folder}", "none", "put each class's photos into its folder")
        name = data_set_name(root, settings.split)
        super().__init__(name, [SourceClass(one, None) for one in by_name], images, settings)

    def passed_over(self) -> PassedOver:
        """Files that are no photos, and photos in no class's folder."""
        return self._tally.total


def _folders(folder: Path) -> dict[str, Path]:
    """class -> its folder. Raises DataError where there is none, two of one name, or a name that is no text."""
    try:
        places = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise DataError(f"a folder of class folders: {folder}", str(error), "check path and split") from error
    found: dict[str, Path] = {}
    spelled: dict[str, Path] = {}
    for place in places:
        name = _class_name(place)
        other = spelled.setdefault(name_key(name), place)
        if other is not place:
            got = f"{place.name!r} beside {other.name!r}"
            raise DataError(f"folders named after different classes in {folder}", got, "rename or join the folders")
        found[name] = place
    if not found:
        raise DataError(f"a folder for each class in {folder}", "no folder", "check path and split")
    return found


def _class_name(place: Path) -> str:
    try:
        place.name.encode()
    except UnicodeEncodeError as error:  # a name that nobody could type, to ask for the class
        expected = f"a class folder named in UTF-8 in {place.parent}"
        raise DataError(expected, repr(place.name), "rename it in UTF-8") from error
    return checked_name(spaced(place.name), f"the folder {place.name!r} of {place.parent}")
