"""Evidence and label map on disk, beside a picture: `NAME.evidence.npz`, so that `explain` needs no image and no model.

An npz of plain arrays (`evidence_arrays`; never pickles) with one JSON text, `about`.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from retclip.documents import first_fault
from retclip.errors import DataError
from retclip.evidence import DecisionInputs, Evidence
from retclip.limits import check_size, current
from retclip.own_files import written_whole
from retclip.types import PanopticSegmentation, Vocabulary
from retclip.workflows.explain.evidence_arrays import (
    inputs_in,
    neighbours_in,
    plain,
    put_inputs,
    put_neighbours,
    put_scores,
    scores_in,
)
from retclip.workflows.explain.evidence_checks import About, check_evidence

SUFFIX = ".evidence.npz"


def save_evidence(path: Path, result: PanopticSegmentation, evidence: Evidence) -> None:
    """Write label map, segments and evidence, whole or not at all.

    path: its name ends in .evidence.npz.
    result: the label map, (H, W) int32, and its segments.
    evidence: what decided the labels of its n masks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(evidence_bytes(result, evidence))


def evidence_bytes(result: PanopticSegmentation, evidence: Evidence) -> bytes:
    """Return the bytes of an evidence file, see `save_evidence`."""
    arrays: dict[str, NDArray[Any]] = {
        "about": np.array(json.dumps(_about(result, evidence))),
        "label_map": result.label_map,
        "boxes": evidence.boxes,
        "combined": plain(evidence.combined),
        "void": plain(evidence.void),
    }
    put_scores(arrays, "", evidence.scores)
    if result.mask_map is not None:
        arrays["mask_map"] = result.mask_map
    if evidence.neighbours:
        put_neighbours(arrays, "neighbour", evidence.neighbours)
        arrays["supported"] = plain(evidence.neighbours.supported)
    if evidence.inputs:
        put_inputs(arrays, evidence.inputs)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def load_evidence(path: Path | bytes) -> tuple[PanopticSegmentation, Evidence]:
    """Return what `save_evidence` wrote, or `evidence_bytes` returned. Raises DataError."""
    try:
        with _archive(path) as archive:
            arrays = dict(archive)
        about = About.model_validate_json(str(arrays["about"]))
        result = PanopticSegmentation(arrays["label_map"], about.segments, arrays.get("mask_map"))
        evidence = _evidence(arrays, about)
        check_evidence(result, evidence)
        return result, evidence
    except DataError:
        raise
    except ValidationError as error:
        raise DataError(_expected(path), first_fault(error), "segment the image again") from error
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for damaged files
        raise DataError(_expected(path), str(error), "segment the image again") from error


def _expected(path: Path | bytes) -> str:
    place = "a trace of the store" if isinstance(path, bytes) else path
    return f"an evidence file written by `retclip segment`: {place}"


def photo_of(path: Path) -> str | None:
    """Return the sha256 of the photo that an evidence file is about; None where it cannot be read."""
    try:
        with _archive(path) as archive:
            return str(json.loads(str(archive["about"]))["image_sha256"])
    except Exception:  # zipfile, zlib and numpy raise many kinds for damaged files
        return None


def _archive(path: Path | bytes) -> Any:
    """Return the opened archive, after a check of its unpacked size. Raises DataError where that is too large."""
    allowed, place = current().unpacked_bytes, "" if isinstance(path, bytes) else f": {path}"
    with zipfile.ZipFile(_opened(path)) as archive:  # which reads no more of a member than its size says
        size = sum(member.file_size for member in archive.infolist())
    check_size(size, allowed, f"an unpacked evidence file{place}", "limits.unpacked_mib")
    return np.load(_opened(path), allow_pickle=False)


def _opened(path: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(path) if isinstance(path, bytes) else path


def _about(result: PanopticSegmentation, evidence: Evidence) -> dict[str, Any]:
    vocabulary = evidence.vocabulary
    return {
        "image_sha256": evidence.image_sha256,
        "image_uri": evidence.image_uri,
        "segments": [asdict(info) for info in result.segments],
        "names": vocabulary.names,
        "is_thing": vocabulary.is_thing,
        "synonyms": vocabulary.synonyms,
        "has_rest": vocabulary.has_rest,
        "scores": [
            {"role": source.role, "classifier": source.classifier, "rule": source.rule} for source in evidence.scores
        ],
        "settings": evidence.settings,
        "matches": [asdict(match) for match in evidence.matches],
        "inputs": _numbers(evidence.inputs),
    }


def _numbers(inputs: DecisionInputs | None) -> dict[str, Any] | None:
    if inputs is None:
        return None
    own = None if inputs.parts is None else inputs.parts.own
    return {"k": inputs.k, "further": inputs.further, "per_class": inputs.per_class, "own": own}


def _evidence(arrays: dict[str, NDArray[Any]], about: About) -> Evidence:
    return Evidence(
        image_sha256=about.image_sha256,
        image_uri=about.image_uri,
        vocabulary=Vocabulary(about.names, about.is_thing, about.synonyms, has_rest=about.has_rest),
        neighbours=neighbours_in(arrays, "neighbour") if "neighbour_ids" in arrays else None,
        scores=scores_in(arrays, "", about.scores),
        combined=torch.from_numpy(arrays["combined"]),
        void=torch.from_numpy(arrays["void"]),
        boxes=arrays["boxes"],
        settings=about.settings,
        matches=about.matches,
        inputs=inputs_in(arrays, about.inputs, about.scores) if about.inputs else None,
    )
