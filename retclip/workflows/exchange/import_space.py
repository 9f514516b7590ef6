"""The space in which an import stores vectors: the class file's where the store has it, else the store's own."""

from __future__ import annotations

from retclip.data.class_file.records import ClassFile
from retclip.errors import SpaceMismatch
from retclip.plugin.contracts import Backbone
from retclip.store.feature_store import FeatureStore
from retclip.types import FeatureSpace
from retclip.workflows.segment.parts import Loaded


def import_space(
    store: FeatureStore, contents: ClassFile, file: str, keys: Loaded[Backbone] | None, recompute: bool
) -> FeatureSpace:
    """Return the space in which the vectors of a class file are stored.

    file: how the user names it.
    keys: the backbone whose vectors an empty store gets, or that makes them anew.
    recompute: whether it makes them anew.

    Raises SpaceMismatch where the store holds vectors of other spaces.
    """
    if recompute and keys is not None:
        store.spaces.require(keys.component.space)
        return keys.component.space
    known = [space for _, space in store.spaces.rows()] or ([keys.component.space] if keys is not None else [])
    if contents.space.id in {space.id for space in known}:
        return contents.space
    todo = (
        "import a file of that space; or make the vectors anew from the photos, where you have them: --recompute "
        f"--photos FOLDER; or use a store of the file's space: --backbone {contents.space.backbone}"
    )
    mine = "; or ".join(map(space_in_words, known))
    raise SpaceMismatch(f"vectors of this store's space: {mine}", f"{file}: {space_in_words(contents.space)}", todo)


def space_in_words(space: FeatureSpace) -> str:
    """Return for users all that makes a space."""
    return (
        f"{space.backbone} (weights {space.weights[:12]}, {space.preprocessing}, pooling {space.pooling}, "
        f"{space.dim} numbers, space {space.id})"
    )
