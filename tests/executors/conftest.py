"""What every executor must make the same of: a store of drawn scenes, built by this process alone."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

import retclip
from retclip.store.sql.engine import transaction

IMAGES = 10


@dataclass(frozen=True)
class World:
    """Drawn scenes, and how to build and look at a store of them."""

    folder: Path
    source: str

    def build(self, name, start=None, **section):
        """A report, and every segment with what is known of it."""
        settings = {"build": {"commit_images": 2, **section}, "store": {"index": "resident"}}
        with retclip.open(self.folder / name, create=True, settings=settings) as memory:
            if start is not None:
                from retclip.workflows.building.build_store import build_store

                parts = memory.session.builder()
                report = build_store(parts, memory.source(self.source), self.source, start=start(memory.settings))
            else:
                report = memory.build(self.source)
            return report, self.segments(memory)

    @staticmethod
    def segments(memory):
        query = (
            "SELECT s.point_id, i.sha256, c.name, s.confidence, m.x, m.y, m.width, m.height, m.area, m.rle, f.crc32 "
            "FROM segment s "
            "JOIN mask m ON m.segment_id = s.id AND m.number = s.mask_no "
            "JOIN image i ON i.id = s.image_id JOIN category c ON c.id = s.category_id "
            "JOIN segment_feature f ON f.segment_id = s.id AND f.mask_no = s.mask_no WHERE s.status = 0"
        )
        with transaction(memory.store.engine) as connection:
            return sorted(tuple(row) for row in connection.execute(text(query)))


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("world")
    return World(folder, f"reference.scenes:{folder / 'scenes'}?split=train&count={IMAGES}&width=96&height=64")


@pytest.fixture(scope="session")
def alone(world):
    """The report and the segments of a build by one process."""
    report, segments = world.build("alone")
    assert report.images == IMAGES and len(segments) == report.segments > IMAGES
    return report, segments
