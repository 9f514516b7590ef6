"""Which feature space a question is asked in, and the backbone that made its vectors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from retclip.errors import ConfigError, PluginUnavailable
from retclip.plugin.contracts import TEXT

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone
    from retclip.session import Session
    from retclip.types import FeatureSpace
    from retclip.workflows.segment.parts import Loaded


def named_space(session: Session, name: str) -> FeatureSpace:
    """Return the space of a backbone, or with that id. Raises StoreMissing for an empty store, SpaceMismatch."""
    with suppress(PluginUnavailable, ConfigError):  # of none that is installed: the store may know it
        name = session.components.manager.find("backbone", name).full_name
    return session.store.spaces.of_backbone(name)


def chosen_space(session: Session, name: str | None) -> FeatureSpace:
    """Return the feature space of a question: the named one, else that of the configured keys, else the only one.

    name: a backbone, or the id of a space.
    Raises StoreMissing for an empty store, SpaceMismatch where none or several are meant.
    """
    if name is not None:
        return named_space(session, name)
    rows, parts = session.store.spaces.rows(), session.settings.components
    return rows[0][1] if len(rows) == 1 else named_space(session, parts.keys or parts.backbone)


def readers(session: Session) -> set[str]:
    """Return the installed backbones that have a text tower."""
    return {
        info.full_name for info in session.components.manager.components("backbone") if TEXT in info.component.provides
    }


def require_text(session: Session, space: FeatureSpace) -> None:
    """Raise ConfigError unless the space's backbone reads; which of the store's and of those installed do is named."""
    store, reading = session.store, readers(session)
    if space.backbone in reading:
        return
    stored = [row.backbone for _, row in store.spaces.rows() if row.backbone in reading]
    got = f"vectors of {space.backbone}, which has none"
    if stored:
        raise ConfigError(
            "a backbone with a text tower", got, f"ask in its space: --space {' or --space '.join(stored)}"
        )
    there = ", ".join(sorted(reading)) or "none that is installed"
    command = store.spaces.command_to_add(min(reading)) if reading else "retclip plugins list"
    todo = f"ask with --image or --segment, or add vectors of one that has: {there}; {command}"
    raise ConfigError("a backbone with a text tower", got, todo)


def backbone_of(session: Session, space: FeatureSpace) -> Loaded[Backbone]:
    """Return a space's backbone. Raises PluginUnavailable, WeightsMissing, and SpaceMismatch where its settings make
    another space."""
    components = session.components
    components.manager.require_weights(
        [components.manager.find("backbone", space.backbone)], components.settings.of_component
    )
    loaded: Loaded[Any] = components.component("backbone", space.backbone)
    if loaded.component.space.id != space.id:
        raise session.store.spaces.mismatch([(0, space)], loaded.component.space)
    return loaded
