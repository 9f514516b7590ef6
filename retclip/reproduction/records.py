"""Published figures of others on ADE20K-150, with what each was allowed to see: nobody shall compare unlike things.

Every figure is as the named source states it (method.md 8.2); none was measured here. A row with `apart` must never
stand beside the others: it says why.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAINED, FREE = "with a trained mask head", "without training"
_COCO, _NOTHING = "COCO panoptic", "nothing"
_BANK_README = "table in ConceptBank's README"


@dataclass(frozen=True)
class Record:
    """A figure of somebody else's.

    group: TRAINED or FREE: which tables it belongs beside.
    pq, map, miou: percent; None = not stated.
    year: of the publication, of the arXiv's first version where there is no other.
    venue: where it was published; "repository" = no paper of these figures is known to us.
    trained_on: what was fitted, beside the frozen models' own training.
    sees: the evidence at test time: which photos a store or bank was made of, and who made their masks.
    public: whether code and weights are public.
    source: where the figure stands.
    apart: why it must not be compared; "" where it may.
    """

    system: str
    group: str
    pq: float | None
    map: float | None
    miou: float | None
    year: int
    venue: str
    trained_on: str
    sees: str
    public: bool
    source: str
    apart: str = ""


_CLIP_ONLY, _BY_IMAGE = "class names alone", "it is told the classes of each test image by its annotation"
RECORDS: tuple[Record, ...] = (
    Record("FC-CLIP ConvNeXt-L", TRAINED, 26.8, 16.8, 34.1, 2023, "NeurIPS", _COCO, _CLIP_ONLY, True,
           "bytedance/fc-clip README"),
    Record("FC-CLIP on COCONut-S", TRAINED, 27.3, None, 33.8, 2024, "CVPR", "COCONut-S, COCO's photos labelled better",
           _CLIP_ONLY, True, "COCONut README"),
    Record("FC-CLIP on COCONut-B", TRAINED, 27.4, None, 33.7, 2024, "CVPR", "COCONut-B", _CLIP_ONLY, True,
           "COCONut README"),
    Record("MAFT+", TRAINED, 27.1, None, None, 2024, "ECCV", "COCO panoptic, CLIP too", _CLIP_ONLY, True,
           "OVRCOAT README"),
    Record("OVRCOAT", TRAINED, 28.6, None, None, 2026, "CVPR", "COCO panoptic, CLIP too", _CLIP_ONLY, True,
           "OVRCOAT README"),
    Record("PosSAM", TRAINED, 29.2, None, None, 2024, "arXiv", "COCO panoptic, with SAM's features", _CLIP_ONLY, False,
           "arXiv:2403.09620; a stored leaderboard"),
    Record("RetCLIP, store from Open Images", TRAINED, 28.3, 17.7, 38.3, 2026, "arXiv", _COCO,
           "Open Images, of another domain; masks detected", False, "arXiv:2601.12779, table 1"),
    Record("RetCLIP, store from ADE20K train", TRAINED, 30.9, 19.3, 44.0, 2026, "arXiv", _COCO,
           "ADE20K train, the test's own domain, with the labels of its photos; masks detected", False,
           "arXiv:2601.12779, table 1"),
    Record("kNN-CLIP on FC-CLIP", TRAINED, None, None, 41.3, 2024, "TMLR", _COCO,
           "ADE20K train with its annotated masks", False, "arXiv:2404.09447"),
    Record("SCLIP", FREE, None, None, 16.1, 2024, "ECCV", _NOTHING, _CLIP_ONLY, True, _BANK_README),
    Record("ClearCLIP", FREE, None, None, 16.7, 2024, "ECCV", _NOTHING, _CLIP_ONLY, True, _BANK_README),
    Record("NACLIP", FREE, None, None, 17.4, 2025, "WACV", _NOTHING, _CLIP_ONLY, True, _BANK_README),
    Record("RF-CLIP", FREE, None, None, 21.0, 2026, "AAAI", _NOTHING, _CLIP_ONLY, True, _BANK_README),
    Record("ProxyCLIP", FREE, None, None, 19.7, 2024, "ECCV", _NOTHING, "class names, and DINO beside CLIP", True,
           _BANK_README),
    Record("Trident", FREE, None, None, 21.9, 2025, "ICCV", _NOTHING, "class names, and DINO and SAM beside CLIP",
           True, _BANK_README),
    Record("Talk2DINO", FREE, None, None, 22.5, 2025, "ICCV", "a map from CLIP's text to DINOv2, on captions",
           "class names", True, _BANK_README),
    Record("RetCLIP without training, ViT-L", FREE, 16.1, 10.3, 22.2, 2026, "arXiv", _NOTHING,
           "ADE20K train with the labels of its photos; masks detected", False, "arXiv:2601.12779, table 2"),
    Record("FreeDA", FREE, None, None, 20.8, 2024, "CVPR", _NOTHING, "a bank of generated images", True,
           _BANK_README),
    Record("ReME", FREE, None, None, 28.2, 2025, "ICCV", _NOTHING, "a bank of refined pairs of segment and text",
           True, _BANK_README),
    Record("CorrCLIPv2 L, synthetic bank", FREE, None, None, 34.9, 2026, "repository", _NOTHING,
           "a bank of synthetic images without labels", True, "zdk258/CorrCLIP README"),
    Record("CorrCLIPv2 L, bank from COCO", FREE, None, None, 36.5, 2026, "repository", _NOTHING,
           "a bank of COCO's photos without labels", True, "zdk258/CorrCLIP README"),
    Record("SAM 3, class names", FREE, None, None, 31.8, 2025, "arXiv", _NOTHING, "all 150 class names", True,
           _BANK_README),
    Record("SegEarth-OV3 (SAM 3)", FREE, None, None, 37.5, 2025, "arXiv", _NOTHING, "all 150 class names", True,
           _BANK_README),
    Record("ConceptBank (SAM 3)", FREE, None, None, 43.3, 2026, "arXiv", _NOTHING,
           "photos of the test's domain with annotated masks", True, _BANK_README),
    Record("OpenWorldSAM", TRAINED, None, None, 60.4, 2025, "arXiv", "COCO-Stuff", _BY_IMAGE, True,
           "GinnyXiao/OpenWorldSAM", _BY_IMAGE),
    Record("SegRAG (SAM 3), five references", FREE, None, None, 54.77, 2026, "arXiv", _NOTHING, _BY_IMAGE, True,
           "its src/segrag/modeling/sam3_points.py", _BY_IMAGE),
)  # fmt: skip


def records_of(table: str) -> tuple[Record, ...]:
    """Return the records that belong beside a table of the paper."""
    group = FREE if table in ("table-2", "table-3") else TRAINED
    return tuple(record for record in RECORDS if record.group == group)
