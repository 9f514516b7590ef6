"""The SQL schema: the data, its history, and the work on it, a file each.

SQL and the feature archive are the truth; a vector index is a copy of `segment`, `segment_feature` and `category`.
Tables for later subjects (tombstones, API keys) come with their own migrations.
"""

from retclip.store.sql.tables.data import ACTIVE as ACTIVE
from retclip.store.sql.tables.data import DELETING as DELETING
from retclip.store.sql.tables.data import NORMAL as NORMAL
from retclip.store.sql.tables.data import PURGED as PURGED
from retclip.store.sql.tables.data import QUARANTINED as QUARANTINED
from retclip.store.sql.tables.data import RETIRED as RETIRED
from retclip.store.sql.tables.data import Category as Category
from retclip.store.sql.tables.data import CategoryAlias as CategoryAlias
from retclip.store.sql.tables.data import Dataset as Dataset
from retclip.store.sql.tables.data import FeatureGap as FeatureGap
from retclip.store.sql.tables.data import ImageCredit as ImageCredit
from retclip.store.sql.tables.data import ImageRow as ImageRow
from retclip.store.sql.tables.data import Mask as Mask
from retclip.store.sql.tables.data import Proposer as Proposer
from retclip.store.sql.tables.data import Segment as Segment
from retclip.store.sql.tables.data import SegmentFeature as SegmentFeature
from retclip.store.sql.tables.data import SegmentTrust as SegmentTrust
from retclip.store.sql.tables.data import Space as Space
from retclip.store.sql.tables.history import ChainLink as ChainLink
from retclip.store.sql.tables.history import ClassFact as ClassFact
from retclip.store.sql.tables.history import ClassMatchRow as ClassMatchRow
from retclip.store.sql.tables.history import Event as Event
from retclip.store.sql.tables.history import RejectionFact as RejectionFact
from retclip.store.sql.tables.history import SegmentFact as SegmentFact
from retclip.store.sql.tables.work import Outbox as Outbox
from retclip.store.sql.tables.work import ReconcileRun as ReconcileRun
from retclip.store.sql.tables.work import Run as Run
from retclip.store.sql.tables.work import Shard as Shard
from retclip.store.sql.tables.work import StoreIdentity as StoreIdentity
from retclip.store.sql.tables.work import StoreVersion as StoreVersion
from retclip.store.sql.tables.work import Trace as Trace
from retclip.store.sql.tables.work import TraceVoter as TraceVoter
from retclip.store.sql.tables.work import Unit as Unit

SCHEMA_HEAD = "0016"  # the newest migration; a test holds it against migrations/versions
