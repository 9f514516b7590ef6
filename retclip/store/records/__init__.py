"""The records that a store takes and returns: plans, results, decisions, stored data. Plain, no SQL."""

from __future__ import annotations

from retclip.store.records.classes import Edit as Edit
from retclip.store.records.classes import StoreClass as StoreClass
from retclip.store.records.classes import StoredSegment as StoredSegment
from retclip.store.records.details import SegmentDetails as SegmentDetails
from retclip.store.records.details import SegmentFactRecord as SegmentFactRecord
from retclip.store.records.exports import Export as Export
from retclip.store.records.exports import ExportedRun as ExportedRun
from retclip.store.records.exports import ExportedSegment as ExportedSegment
from retclip.store.records.filters import SegmentFilter as SegmentFilter
from retclip.store.records.history import ACTOR_WIDTH as ACTOR_WIDTH
from retclip.store.records.history import ClassChange as ClassChange
from retclip.store.records.history import EventFilter as EventFilter
from retclip.store.records.history import EventLog as EventLog
from retclip.store.records.history import HistoryEvent as HistoryEvent
from retclip.store.records.history import SegmentChange as SegmentChange
from retclip.store.records.history import SegmentMove as SegmentMove
from retclip.store.records.history import SegmentState as SegmentState
from retclip.store.records.history import StoreDifference as StoreDifference
from retclip.store.records.listed import FoundPage as FoundPage
from retclip.store.records.listed import ListedSegment as ListedSegment
from retclip.store.records.listed import SegmentPage as SegmentPage
from retclip.store.records.matches import ClassMatch as ClassMatch
from retclip.store.records.matches import Decisions as Decisions
from retclip.store.records.matches import FillRuns as FillRuns
from retclip.store.records.matches import VocabularyState as VocabularyState
from retclip.store.records.options import StoreOptions as StoreOptions
from retclip.store.records.runs import Failure as Failure
from retclip.store.records.runs import NewSegment as NewSegment
from retclip.store.records.runs import OpenRun as OpenRun
from retclip.store.records.runs import RunPlan as RunPlan
from retclip.store.records.runs import Taken as Taken
from retclip.store.records.runs import UnitResult as UnitResult
from retclip.store.records.runs import UnitStates as UnitStates
from retclip.store.records.runs import Wanted as Wanted
from retclip.store.records.spaces import AddedVectors as AddedVectors
from retclip.store.records.spaces import SpaceState as SpaceState
from retclip.store.records.spaces import StoredMask as StoredMask
from retclip.store.records.spaces import StoredPhoto as StoredPhoto
from retclip.store.records.spaces import VectorMaker as VectorMaker
from retclip.store.records.trust import JudgedLabel as JudgedLabel
from retclip.store.records.trust import JudgedSegments as JudgedSegments
from retclip.store.records.trust import TrustRow as TrustRow
from retclip.store.records.trust import TrustState as TrustState
