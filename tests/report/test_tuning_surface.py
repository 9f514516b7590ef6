"""The picture of a tuning: a grid and a search are drawn, and without matplotlib its extra is named."""

import sys
from itertools import product
from types import SimpleNamespace

import pytest

from retclip.errors import ConfigError
from retclip.report.tuning_surface import write_surface
from retclip.workflows.tuning.tuning_report import TriedSetting


def report(values, best):
    tried = tuple(TriedSetting(row, {"pq": 10.0 * n}) for n, row in enumerate(values))
    return SimpleNamespace(figure="pq", images=3, tried=tried, best=TriedSetting(best, {"pq": 90.0}))


def test_a_grid_and_a_search_are_drawn(tmp_path):
    grid = [{"alpha": a, "k": k, "vote": v, "fixed": 1} for a, k, v in product((0.0, 0.5), (1, 8), ("minmax", "rank"))]
    search = [{"alpha": n / 50, "max_distance": None if n % 3 else 0.5} for n in range(40)]
    for name, values in (("grid", grid), ("search", search)):
        for best in (values[-1], {}):
            paths = write_surface(tmp_path / name, report(values, best))
            assert [path.name for path in paths] == [f"{name}.png", f"{name}.svg"]
            assert paths[0].read_bytes().startswith(b"\x89PNG") and "<svg" in paths[1].read_text()
    assert write_surface(tmp_path / "none", report([{"alpha": 0.1}], {})) == []


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'retclip\[tune\]'"):
        write_surface(tmp_path / "surface", report([{"alpha": 0.1}, {"alpha": 0.2}], {}))
