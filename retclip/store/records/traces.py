"""Traces: the evidence of answers that the store keeps for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KeptTrace:
    """The evidence of one answer.

    at: when it was kept; expires_at: when it may be forgotten; both in UTC.
    evidence: the bytes of its evidence file.
    """

    id: int
    at: datetime
    expires_at: datetime
    image_sha256: str
    image_uri: str
    evidence: bytes
