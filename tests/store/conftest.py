"""Stores over both databases, and made-up work to put into them.

PostgreSQL: a throw-away cluster on a Unix socket, made once per session where the server's binaries are installed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, TextClause, event, select, text

from retclip.data import rle
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.ids import digest, recipe_fingerprint, unit_key
from retclip.store.places import CATALOG
from retclip.store.records import AddedVectors, Edit, NewSegment, OpenRun, RunPlan, StoredMask, UnitResult
from retclip.store.segments import spaces
from retclip.store.sql import schema, seals
from retclip.store.sql.engine import open_engine, transaction
from retclip.store.sql.tables import SCHEMA_HEAD, Segment, StoreVersion
from retclip.store.states import RunKind
from retclip.store.work import ledger, outbox
from retclip.types import FeatureSpace

DIM = 8
SPACE = FeatureSpace("test.backbone", "none", "none", "area-1", DIM)
PROPOSER = "test.proposer"
RECIPE = recipe_fingerprint(PROPOSER, "1", {})
CLASSES = ("road", "car", "tree")
RLE = rle.encode(np.ones((4, 4), dtype=bool))["counts"].encode()


def plan(kind: str = "build", space: FeatureSpace = SPACE) -> RunPlan:
    return RunPlan(kind, "test:", "drawn", PROPOSER, "1", {}, RECIPE, space, {}, "0")


def unit(number: int, classes: Sequence[str] = CLASSES, per_class: int = 2, annotation: str = "a") -> UnitResult:
    """The finished work of image `number`: the same vectors each time it is asked for."""
    sha = digest("image", str(number))
    rng = np.random.default_rng(number)
    segments = tuple(
        NewSegment(name, ordinal, (0, 0, 4, 4), 16, 1.0, RLE, "annotation", 1.0)
        for name in classes
        for ordinal in range(per_class)
    )
    vectors = rng.normal(size=(len(segments), DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    key, content = unit_key(sha, annotation, RECIPE, SPACE.id, classes), digest(annotation, RECIPE)
    names = f"{number}.jpg", f"/photos/{number}.jpg"
    return UnitResult(key, content, *names, sha, (4, 4), tuple(classes), segments, vectors)


_plain_sql: list[str] = []  # what a test wrote behind the store's back, where no checksum is kept


@event.listens_for(Engine, "before_execute")
def _listen(_connection: object, statement: object, *_: object) -> None:
    if isinstance(statement, TextClause) and not statement.text.startswith("SELECT"):
        _plain_sql.append(statement.text)


@dataclass
class Work:
    """A store and the means to fill it as a build does."""

    folder: Path
    options: StoreOptions
    catalog: Path | None = None  # an empty one, for SQLite: a copy is quicker than the migrations
    opened: list[FeatureStore] = field(default_factory=list)

    def __post_init__(self) -> None:
        _plain_sql.clear()

    def open(self) -> FeatureStore:
        there = (self.folder / "archive").exists()
        if not there and self.catalog is not None and not self.options.database:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.catalog, self.folder / CATALOG)
        store = (
            FeatureStore.open(self.folder, self.options) if there else FeatureStore.create(self.folder, self.options)
        )
        self.opened.append(store)
        return store

    def close(self) -> None:
        """Close what was opened. Whatever a test did through the store's own doors has left every row sealed."""
        for store in self.opened:
            if not _plain_sql and self.folder.is_dir():
                with transaction(store.engine) as connection:
                    assert not seals.broken_rows(connection)
            store.close()
        self.opened.clear()

    def fill(self, store: FeatureStore, numbers: Sequence[int], chunk: int = 2) -> OpenRun:
        """Commit units `chunk` at a time, passing over those that are finished, as a resumed build does."""
        run = store.runs.start(plan())
        for start in range(0, len(numbers), chunk):
            units = [unit(number) for number in numbers[start : start + chunk]]
            with transaction(store.engine) as connection:
                done = ledger.finished_units(connection, [one.key for one in units])
            rest = [one for one in units if one.key not in done]
            if rest:
                store.runs.commit(run, rest, dict.fromkeys(CLASSES, True))
        return run


@dataclass(frozen=True)
class Made:
    """What the helpers above give, for tests that cannot import this file."""

    dim: int = DIM
    space: FeatureSpace = SPACE
    recipe: str = RECIPE
    proposer: str = PROPOSER
    classes: tuple[str, ...] = CLASSES

    def plan(self, *args: object, **options: object) -> RunPlan:
        return plan(*args, **options)

    def unit(self, *args: object, **options: object) -> UnitResult:
        return unit(*args, **options)

    def commit(self, store: FeatureStore, *units: UnitResult) -> OpenRun:
        """Store units in one transaction of a run of their own."""
        run = store.runs.start(plan())
        store.runs.commit(run, units, dict.fromkeys(CLASSES, True))
        return run

    def adding(self, store: FeatureStore, space: FeatureSpace) -> OpenRun:
        """A run that gives segments vectors of another space."""
        return store.runs.start(replace(plan(RunKind.ADD_SPACE, space), source=""), new_space=True)

    def lacking(self, store: FeatureStore, space_id: int, image_id: int) -> list[StoredMask]:
        """The segments of an image that are to be given a vector in that space."""
        with transaction(store.engine) as connection:
            return spaces.masks_missing_vectors(connection, space_id, image_id)

    def give(
        self, store: FeatureStore, run: OpenRun, space: FeatureSpace, masks: Sequence[StoredMask],
        without: Sequence[StoredMask] = (), reason: str = "mask",
    ) -> int:  # fmt: skip
        """Store a vector for each of those segments: the same ones each time it is asked for."""
        rows = [np.random.default_rng(mask.id).normal(size=space.dim) for mask in masks]
        vectors = np.array(rows, dtype=np.float32).reshape(len(masks), space.dim)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return store.spaces.add_vectors(run, space, [AddedVectors(tuple(masks), vectors, tuple(without), reason)])

    def ask(self, store: FeatureStore, statement: str, **values: object) -> list[tuple]:
        """The rows that a statement of SQL answers."""
        with transaction(store.engine) as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def change(self, store: FeatureStore, statement: str, **values: object) -> int:
        """Change rows behind the store's back; how many."""
        with transaction(store.engine, write=True) as connection:
            return connection.execute(text(statement), values).rowcount

    def change_unguarded(self, store: FeatureStore, statement: str, table: str, **values: object) -> int:
        """Change rows as damage, or a hand with the right to, does: no trigger holds it up; how many."""
        with transaction(store.engine, write=True) as connection:
            triggers: list[tuple[str, str]] = []
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            else:
                found = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
                triggers = [(row[0], row[1]) for row in connection.execute(text(found), {"table": table})]
            for name, _ in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            changed = connection.execute(text(statement), values).rowcount
            for _, made_by in triggers:
                connection.exec_driver_sql(made_by)
        return changed

    def ids(self, store: FeatureStore, where: str = "1 = 1", **values: object) -> dict[tuple[str, int], uuid.UUID]:
        """Point ids by (prompt, ordinal) of the segments of which that condition holds."""
        query = select(Segment.prompt, Segment.ordinal, Segment.point_id).where(text(where))
        with transaction(store.engine) as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query, values)}

    def announce(self, store: FeatureStore, where: str = "1 = 1", **values: object) -> None:
        """Put those segments into the outbox, as the transaction that changed them would have done."""
        with transaction(store.engine, write=True) as connection:
            rows = connection.execute(select(Segment.id).where(text(where)), values).scalars().all()
            versions = connection.execute(select(StoreVersion.id)).scalars().all()
            outbox.announce(connection, versions, rows)


class Cluster:
    """A PostgreSQL server of our own, for one session of tests."""

    EMPTYING = (  # the statements that do it; TRUNCATE would take ten times as long
        "SELECT 'SET session_replication_role = replica; ' || string_agg(format('DELETE FROM %I', tablename), '; ')"
        " || '; SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence'"
        " FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    SHAPE = (
        "SELECT md5(string_agg(concat_ws(' ', table_name, column_name, data_type, is_nullable), ',' ORDER BY"
        " table_name, column_name)) FROM information_schema.columns WHERE table_schema = 'public'"
    )

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        self._used: list[str] = []
        self._shape: object = None

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        if os.getuid() == 0:  # the server refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        data = str(self.folder / "data")
        self.run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
        flags = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        self.run("pg_ctl", "-D", data, "-w", "-l", str(self.folder / "log"), "-o", flags, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def database(self, options: str = "") -> str:
        """A database without tables."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self._ask("postgres", f"CREATE DATABASE {name} {options}")
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def migrated(self) -> str:
        """A database with all tables and no row: one that was used before, where there is one."""
        if self._used:
            url = self._used.pop()
            self._ask(_name(url), self._ask(_name(url), self.EMPTYING))
            return url
        url = self.database()
        migrate(url)
        self._shape = self._shape or self._ask(_name(url), self.SHAPE)
        return url

    def give_back(self, url: str) -> None:
        """The test that used it is over; where it changed the tables themselves, nobody uses it again."""
        name = _name(url)
        same = self._ask(name, self.SHAPE) == self._shape
        if same and self._ask(name, "SELECT version_num FROM alembic_version") == SCHEMA_HEAD:
            self._used.append(url)

    def _ask(self, name: str, statement: str) -> Any:
        import psycopg

        with psycopg.connect(f"host={self.folder} user=postgres dbname={name}", autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchone()[0] if found.description else None


def _name(url: str) -> str:
    """The database's."""
    return url.partition("@/")[2].partition("?")[0]


def migrate(url: str) -> None:
    """Run the migrations on an empty database."""
    engine = open_engine(url)
    schema.upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def made() -> Made:
    return Made()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL server binaries in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="retclip-pg-", dir="/tmp"))  # a socket's path must be short
    if os.getuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL will not run as root, and there is no user postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    server = Cluster(found[-1].parent, folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite with all tables and no row."""
    path = tmp_path_factory.mktemp("catalog") / CATALOG
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """An SQLAlchemy URL: "" for SQLite in the store's folder, or a PostgreSQL database with all tables and no row."""
    if request.param == "sqlite":
        yield ""
        return
    found: Cluster = request.getfixturevalue("cluster")
    url = found.migrated()
    yield url
    found.give_back(url)


@pytest.fixture
def work(tmp_path: Path, database: str, catalog: Path) -> Iterator[Work]:
    """An empty place for a store, over SQLite and over PostgreSQL."""
    made = Work(tmp_path / "store", StoreOptions(database=database), catalog)
    yield made
    made.close()


@pytest.fixture
def light_work(tmp_path: Path, database: str, catalog: Path) -> Iterator[Work]:
    """As `work`, with the index in memory: for what SQL says, where no index on disk is needed."""
    made = Work(tmp_path / "store", StoreOptions(database=database, index="resident"), catalog)
    yield made
    made.close()


@pytest.fixture
def sqlite_work(tmp_path: Path, catalog: Path) -> Iterator[Work]:
    """An empty place for a store over SQLite alone, where the engine makes no difference."""
    made = Work(tmp_path / "store", StoreOptions(), catalog)
    yield made
    made.close()


@pytest.fixture
def store(light_work: Work) -> FeatureStore:
    """A store of two units, for tests that edit it; a module that needs another one has its own of that name."""
    opened = light_work.open()
    Made().commit(opened, unit(1), unit(2))
    return opened


@pytest.fixture(scope="session")
def edit() -> Callable[..., Edit]:
    """`edit(store, change, *names)`: a change of classes by ann."""
    return lambda store, change, *names: store._catalog.edit(change, *names, actor="ann")
