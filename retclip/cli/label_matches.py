"""Which class of the store stands for a name that is spelled otherwise: said before anything is judged by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retclip.cli import output

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.workflows.segment.parts import PreparedVocabulary

SHOWN = 20  # matches that are said one by one; --json has all


def said_matches(memory: RetCLIP, prepared: PreparedVocabulary) -> list[dict[str, Any]]:
    """Say on stderr which class of the store stands for which name, and by which rule; return it as plain data."""
    from retclip.names import MatchKind
    from retclip.workflows.segment.vocabulary import used_matches

    matches = used_matches(memory.session.segmenter(), prepared)
    rules = {
        MatchKind.SYNONYM: "a synonym", MatchKind.MAP: "a person's word", MatchKind.FALLBACK: "fetched",
        MatchKind.TEXT: "by text",
    }  # fmt: skip
    for match in matches[:SHOWN]:
        how_near = f", similarity {match.similarity:.3f}" if match.how is MatchKind.TEXT else ""
        fetched = f" as {match.nearest!r} of {match.dataset}" if match.how is MatchKind.FALLBACK else ""
        stands = f"{match.store_class!r} of the store stands for {match.name!r}"
        output.message(f"note: {stands} ({rules[match.how]}{fetched}{how_near})")
    if matches[SHOWN:]:
        output.message(f"note: and {len(matches) - SHOWN} other classes for other names (all: --json)")
    if any(match.how is MatchKind.TEXT for match in matches):
        output.message("note: where that is wrong: retclip fallback map NAME CLASS, or --set matching.threshold=1")
    for store_class, names in list(_shared(prepared).items() if matches else ())[:SHOWN]:
        told = ", ".join(map(repr, names))
        output.message(
            f"note: the store cannot tell {told} apart: each is its {store_class!r}; the first named wins a tie"
        )
    return [match.as_dict() for match in matches]


def _shared(prepared: PreparedVocabulary) -> dict[str, list[str]]:
    """Return the classes of the store that stand for several names, with these."""
    names: dict[str, list[str]] = {}
    for match in prepared.matches:
        if match.store_class is not None:
            names.setdefault(match.store_class, []).append(match.name)
    return {store_class: asked for store_class, asked in names.items() if len(asked) > 1}
