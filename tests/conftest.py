"""Shared by all tests: shapes of array functions are checked while tests run, real data is found or skipped, and one
store of drawn scenes is built once for everything that only reads it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import jaxtyping
import pytest

jaxtyping.install_import_hook("retclip.algorithms", "beartype.beartype")

SHARED = Path(__file__).parents[2] / "shared" / "data"
for variable in [name for name in os.environ if name.startswith("RETCLIP_") and not name.startswith("RETCLIP_TEST_")]:
    del os.environ[variable]  # settings of whoever runs the tests must not decide what they see
os.environ["RETCLIP_DEFAULT_PRESET"] = "appearance"  # and better defaults must not change a test
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # `nohup`, or the background of a shell, ignores some
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real annotated photos and reference numbers, which is not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real-data packs in {SHARED}")
    return SHARED


class Stopped(BaseException):
    """The program ends here, as a kill would end it: no handler may catch it."""


@pytest.fixture(scope="session")
def stopped_at() -> Callable[[int, Callable[[], object]], bool]:
    """`stopped_at(step, action)`: run an action, which ends with that step of the store's protocol; whether it came
    so far."""
    from retclip.store.crash_points import armed

    def run(step: int, action: Callable[[], object]) -> bool:
        numbers = count()

        def reached(_: str) -> None:
            if next(numbers) == step:
                raise Stopped

        try:
            with armed(reached):
                action()
        except Stopped:
            return True
        return False

    return run


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text as a retclip.toml."""

    def write(text: str) -> Path:
        path = tmp_path / "retclip.toml"
        path.write_text(text)
        return path

    return write


@dataclass(frozen=True)
class Built:
    """A store built from small drawn scenes, and the address they came from."""

    store: Path
    source: str
    photos: Path


def scenes(folder: Path, count: int = 6, split: str = "train") -> str:
    """The address of small drawn scenes."""
    return f"reference.scenes:{folder}?split={split}&count={count}&width=96&height=64"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Read it only: many tests share it."""
    import retclip

    root = tmp_path_factory.mktemp("shared")
    source = scenes(root / "scenes")
    with retclip.open(root / "store", create=True) as memory:
        memory.build(source)
    return Built(root / "store", source, root / "scenes")


@pytest.fixture
def own_store(built: Built, tmp_path: Path) -> Path:
    """A copy of it, which a test may change."""
    return shutil.copytree(built.store, tmp_path / "store")


@pytest.fixture(scope="session")
def memory(built: Built) -> Iterator["object"]:
    """The built store, opened with ground-truth masks. Its index lives in memory, so that it locks nothing."""
    import retclip

    settings = {
        "store": {"index": "resident"},
        "components": {"proposer": "reference.ground_truth"},
        "retrieval": {"k": 32},
        "segment": {"smallest_void": 0.0},
        "plugin": {"retrieval": {"vote": {"vote": "minmax"}}},  # written out: better defaults must not change a test
    }
    with retclip.open(built.store, settings=settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def scene(memory, built: Built):
    """The first training scene, decoded, with its annotation."""
    return next(memory.source(built.source).images()).load()


@pytest.fixture(scope="session")
def result(memory, scene):
    """That scene segmented with the store's own classes."""
    return memory.segment(scene)
