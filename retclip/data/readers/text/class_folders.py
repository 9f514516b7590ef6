"""A folder of photos for each class, its name the class's: FOLDER[/SPLIT]/CLASS/*.jpg. Underscores count as spaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retclip.data.class_choice import AnnotatedSettings, data_set_name
from retclip.data.photo_files import photos_in
from retclip.data.readers.text.named_images import NamedImage, NamedImages
from retclip.errors import DataError
from retclip.names import checked_name, name_key, spaced
from retclip.passed_over import PassedOver, Tally
from retclip.plugin.contracts import SourceClass

IN_NO_FOLDER = "photos in no class's folder"
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev"})


class ClassFolders(NamedImages):
    """An ImageSource: whatever lies below a class's folder shows that class."""

    def __init__(self, settings: AnnotatedSettings) -> None:
        root = Path(settings.path).absolute()
        folder = root / settings.split if settings.split else root
        by_name = _folders(folder)
        self._tally = Tally()
        images = []
        for name, place in by_name.items():
            photos, beside = photos_in(place, recursive=True)
            self._tally.add(beside)
            images += [NamedImage(str(file.relative_to(folder)), file, (name,)) for file in photos]
        self._tally.skip(IN_NO_FOLDER, len(photos_in(folder)[0]))
        if not images:
            raise DataError(f"photos in the folders of {folder}", "none", "put each class's photos into its folder")
        _check_splits(folder, images)
        name = data_set_name(root, settings.split)
        super().__init__(name, [SourceClass(name, None) for name in by_name], images, settings)

    def passed_over(self) -> PassedOver:
        """Return the files that are no photos, and the number of photos in no class's folder."""
        return self._tally.total


def _folders(folder: Path) -> dict[str, Path]:
    """Return each class's folder. Raises DataError where there is none, two of one name, or a name that is no text."""
    try:
        places = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"a folder of class folders: {folder}", str(error), "check path and split") from error
    folders: dict[str, Path] = {}
    spelled: dict[str, Path] = {}
    for place in places:
        name = _class_name(place)
        first = spelled.setdefault(name_key(name), place)
        if first is not place:
            got = f"{place.name!r} beside {first.name!r}"
            raise DataError(f"folders named after different classes in {folder}", got, "rename or join the folders")
        folders[name] = place
    if not folders:
        raise DataError(f"a folder for each class in {folder}", "no folder", "check path and split")
    return folders


def _check_splits(folder: Path, images: Sequence[NamedImage]) -> None:
    """Check that the classes are not the parts of a data set, with the classes' folders below. Raises DataError."""
    below = [image.path.relative_to(folder).parts for image in images]
    if all(parts[0].casefold() in SPLITS and len(parts) > 2 for parts in below):
        split, inner, *_ = below[0]
        got = f"{split!r}, in which photos lie in {inner!r} and other folders"
        raise DataError(f"a folder for each class in {folder}", got, f"name the part: ?split={split}")


def _class_name(place: Path) -> str:
    try:
        place.name.encode()
    except UnicodeEncodeError as error:  # a name that nobody could type, to ask for the class
        expected = f"a class folder named in UTF-8 in {place.parent}"
        raise DataError(expected, repr(place.name), "rename it in UTF-8") from error
    return checked_name(spaced(place.name), f"the folder {place.name!r} of {place.parent}")
