"""The cluster that is measured is the one that the documents describe."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def speed_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("bench_distributed")
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_documents_advise_what_is_measured(speed_up: Any) -> None:
    page = (ROOT / "docs" / "howto" / "cluster.md").read_text(encoding="utf-8").splitlines()
    advised = [line.removeprefix("export ") for line in page if line.startswith("export DASK_")]
    assert advised == [f"{name}={value}" for name, value in speed_up.SETTINGS.items()]


def test_dask_knows_the_settings(speed_up: Any) -> None:
    config = pytest.importorskip("dask.config", reason="the extra distributed is not installed")
    pytest.importorskip("distributed", reason="the extra distributed is not installed")
    for name, value in config.collect_env(speed_up.SETTINGS)["distributed"].items():
        assert_known(config.get(f"distributed.{name}"), value)


def assert_known(known: Any, set_to: Any) -> None:
    if isinstance(set_to, dict):
        for name, value in set_to.items():
            assert_known(known[name.replace("_", "-")], value)
    else:
        assert not isinstance(known, dict)
