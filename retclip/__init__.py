"""RetCLIP: open-vocabulary panoptic segmentation with a memory you can read and edit.

import retclip

with retclip.open("store") as memory:
    result = memory.segment("street.jpg", ["sky", "car"])
    result.save("out")

Everything public has its name here; docs/python.md shows it. Importing this package imports no torch; `open` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retclip._version import __version__
from retclip.errors import (
    ConfigError,
    ContractBroken,
    DataError,
    NamesTooLong,
    PartialFailure,
    PartsMissing,
    PluginError,
    PluginFailed,
    PluginUnavailable,
    Regression,
    RetCLIPError,
    ShapeError,
    SpaceIncomplete,
    SpaceMismatch,
    StoreBehind,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreUnreachable,
    WeightsDamaged,
    WeightsMissing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from retclip.audits import Audit
    from retclip.checkup import doctor
    from retclip.config import Settings
    from retclip.engine import RetCLIP
    from retclip.kept_evaluations import MergedEvaluation, evaluate_diff, evaluate_merge, evaluate_report
    from retclip.namespaces import Classes, Matches, Spaces
    from retclip.plugin.checked_source import CheckedSource
    from retclip.preset_comparison import PresetComparison
    from retclip.progress import Progress
    from retclip.report.segment_report import SegmentReport
    from retclip.report.segment_table import SegmentTable
    from retclip.reproduction.reproduce import reproduce
    from retclip.reproduction.reproduction import Reproduction
    from retclip.result import SegmentationResult
    from retclip.store.records import (
        ClassChange,
        ClassMatch,
        Edit,
        EventFilter,
        EventLog,
        Failure,
        HistoryEvent,
        ListedSegment,
        SegmentChange,
        SegmentDetails,
        SegmentFactRecord,
        SegmentFilter,
        SegmentState,
        SpaceState,
        StoreClass,
        StoreDifference,
    )
    from retclip.types import Image, PanopticSegmentation, SegmentInfo, Vocabulary
    from retclip.workflows.audit.coverage import ThinClass
    from retclip.workflows.audit.duplicates import Duplicates
    from retclip.workflows.audit.mislabels import Suspect
    from retclip.workflows.building.add_space import AddSpaceReport
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.building.estimate_build import Estimate
    from retclip.workflows.classes.addition import Addition, AdditionReport
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.classes.marks import Marks
    from retclip.workflows.classes.regression_figures import RegressionReport
    from retclip.workflows.doctor.catalog_finding import DoctorReport, Finding
    from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation
    from retclip.workflows.evaluation.paired_differences import Difference
    from retclip.workflows.evaluation.run_folder import Part
    from retclip.workflows.exchange.export_classes import ExportReport
    from retclip.workflows.exchange.import_report import ClassesMet, ImportReport
    from retclip.workflows.explain.explanation import Explanation
    from retclip.workflows.explain.influence import Influence
    from retclip.workflows.explain.margin import Margin
    from retclip.workflows.explain.what_if import WhatIf
    from retclip.workflows.segment.parts import PreparedVocabulary
    from retclip.workflows.training.finetune import FinetuneReport
    from retclip.workflows.tuning.fused_evaluation import evaluate_fusion
    from retclip.workflows.tuning.score_cache import ScoreCache
    from retclip.workflows.tuning.tuning_report import TuningReport

_NAMES = {  # by module; imported when they are first asked for
    "audits": "Audit",
    "checkup": "doctor",
    "config": "Settings",
    "engine": "RetCLIP",
    "kept_evaluations": "MergedEvaluation evaluate_diff evaluate_merge evaluate_report",
    "namespaces": "Classes Matches Spaces",
    "plugin.checked_source": "CheckedSource",
    "preset_comparison": "PresetComparison",
    "progress": "Progress",
    "report.segment_report": "SegmentReport",
    "report.segment_table": "SegmentTable",
    "reproduction.reproduce": "reproduce",
    "reproduction.reproduction": "Reproduction",
    "result": "SegmentationResult",
    "store.records": (
        "ClassChange ClassMatch Edit EventFilter EventLog Failure HistoryEvent ListedSegment SegmentChange "
        "SegmentDetails SegmentFactRecord SegmentFilter SegmentState SpaceState StoreClass StoreDifference"
    ),
    "types": "Image PanopticSegmentation SegmentInfo Vocabulary",
    "workflows.audit.coverage": "ThinClass",
    "workflows.audit.duplicates": "Duplicates",
    "workflows.audit.mislabels": "Suspect",
    "workflows.building.add_space": "AddSpaceReport",
    "workflows.building.build_loop": "BuildReport",
    "workflows.building.estimate_build": "Estimate",
    "workflows.classes.addition": "Addition AdditionReport",
    "workflows.classes.fill_report": "FillReport",
    "workflows.classes.marks": "Marks",
    "workflows.classes.regression_figures": "RegressionReport",
    "workflows.doctor.catalog_finding": "DoctorReport Finding",
    "workflows.evaluation.evaluation_difference": "EvaluationDifference",
    "workflows.evaluation.evaluation_figures": "Bootstrap Evaluation",
    "workflows.evaluation.paired_differences": "Difference",
    "workflows.evaluation.run_folder": "Part",
    "workflows.exchange.export_classes": "ExportReport",
    "workflows.exchange.import_report": "ClassesMet ImportReport",
    "workflows.explain.explanation": "Explanation",
    "workflows.explain.influence": "Influence",
    "workflows.explain.margin": "Margin",
    "workflows.explain.what_if": "WhatIf",
    "workflows.segment.parts": "PreparedVocabulary",
    "workflows.training.finetune": "FinetuneReport",
    "workflows.tuning.fused_evaluation": "evaluate_fusion",
    "workflows.tuning.score_cache": "ScoreCache",
    "workflows.tuning.tuning_report": "TuningReport",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = [
    "AddSpaceReport",
    "Addition",
    "AdditionReport",
    "Audit",
    "Bootstrap",
    "BuildReport",
    "CheckedSource",
    "ClassChange",
    "ClassMatch",
    "Classes",
    "ClassesMet",
    "ConfigError",
    "ContractBroken",
    "DataError",
    "Difference",
    "DoctorReport",
    "Duplicates",
    "Edit",
    "Estimate",
    "Evaluation",
    "EvaluationDifference",
    "EventFilter",
    "EventLog",
    "Explanation",
    "ExportReport",
    "Failure",
    "FillReport",
    "Finding",
    "FinetuneReport",
    "HistoryEvent",
    "Image",
    "ImportReport",
    "Influence",
    "ListedSegment",
    "Margin",
    "Marks",
    "Matches",
    "MergedEvaluation",
    "NamesTooLong",
    "PanopticSegmentation",
    "Part",
    "PartialFailure",
    "PartsMissing",
    "PluginError",
    "PluginFailed",
    "PluginUnavailable",
    "PreparedVocabulary",
    "PresetComparison",
    "Progress",
    "Regression",
    "RegressionReport",
    "Reproduction",
    "RetCLIP",
    "RetCLIPError",
    "ScoreCache",
    "SegmentChange",
    "SegmentDetails",
    "SegmentFactRecord",
    "SegmentFilter",
    "SegmentInfo",
    "SegmentReport",
    "SegmentState",
    "SegmentTable",
    "SegmentationResult",
    "Settings",
    "ShapeError",
    "SpaceIncomplete",
    "SpaceMismatch",
    "SpaceState",
    "Spaces",
    "StoreBehind",
    "StoreBusy",
    "StoreClass",
    "StoreDamaged",
    "StoreDifference",
    "StoreError",
    "StoreMissing",
    "StoreUnreachable",
    "Suspect",
    "ThinClass",
    "TuningReport",
    "Vocabulary",
    "WeightsDamaged",
    "WeightsMissing",
    "WhatIf",
    "__version__",
    "doctor",
    "evaluate_diff",
    "evaluate_fusion",
    "evaluate_merge",
    "evaluate_report",
    "open",
    "reproduce",
]


def open(
    store: str | PathLike[str] | None = None,
    config_file: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    create: bool = False,
    missing_ok: bool = False,
    preset: str | None = None,
    actor: str | None = None,
) -> RetCLIP:
    """Open the store in that folder; use the answer as a context manager, or `close` it.

    store: the folder; None = no store, for a preset whose classifiers read names, and for fine-tuning.
    config_file: a retclip.toml (None = the store's own, or the one in this folder).
    settings: its keys as nested dicts, above file and environment, e.g. {"retrieval": {"k": 16}}.
    create: make the store where there is none.
    missing_ok: where no classifier votes with a store, go on without one.
    preset: a named set of settings, below the others; `retclip presets` lists them.
    actor: who changes something, for the history (None = the name of the account).
    Raises StoreMissing, StoreBehind, ConfigError.
    """
    from retclip.engine import RetCLIP

    return RetCLIP.open(store, config_file, settings, create, missing_ok, preset, actor)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"retclip.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'retclip' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
