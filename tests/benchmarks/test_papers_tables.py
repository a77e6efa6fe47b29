"""The commands of the papers' tables: what they train, what they measure, what they write."""

import csv
import importlib
import re
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from focusfix.metrics.ladder import Ladder
from focusfix.models.registry import build_network, get_entry

ROOT = Path(__file__).parents[2]
PAPERS = ROOT / "benchmarks" / "papers"
RESULTS = ROOT / "docs" / "results"
TABLES = sorted(RESULTS.glob("*_table_*.md"))


@pytest.fixture
def papers(monkeypatch):
    """Import a module of the folder of the tables."""
    monkeypatch.syspath_prepend(str(PAPERS))
    yield importlib.import_module
    for path in PAPERS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def fields(count: int = 2) -> list[Ladder]:
    rng = np.random.default_rng(0)
    images = rng.random((count, 4, 130, 140)).astype(np.float32)
    return [Ladder(f"f{i}", (-12.0, -8.0, -4.0, 0.0), image) for i, image in enumerate(images)]


def scored(papers, *names: str):
    model = papers("scored_models").ScoredModel
    made = []
    for name in names:
        torch.manual_seed(0)
        made.append(model(name, build_network(name, get_entry(name).tiny).eval(), 7, ("f0",)))
    return made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_runs_go_on_where_they_were(papers, tmp_path) -> None:
    train = papers("train_models")
    first = train.arguments_of("manifold-no-cross", Path("p"), tmp_path, full=False, channel="w1")
    assert first[:4] == ["train", "p", "--model", "manifold"]
    assert first[first.index("--lesson-setting") + 1] == "cross=0"
    (tmp_path / "ml-vae").mkdir()
    (tmp_path / "ml-vae" / "config.json").touch()
    again = train.arguments_of("ml-vae", Path("p"), tmp_path, full=False, channel="w1")
    assert again == ["train", "--resume", "-o", str(tmp_path / "ml-vae")]


def test_line_tables_have_every_method_and_level(papers, tmp_path) -> None:
    options = Namespace(
        output=tmp_path, name="t", channel="w1", runs=tmp_path, unit="µm", data=tmp_path
    )
    options.every_field = False
    models = scored(papers, "linear-ae-direct", "multilevel-unet")
    papers("line_table_2").write_tables(options, models, fields())
    rows = read(tmp_path / "t.csv")
    deblurred = {
        (row["scale"], row["model"], row["distance"]) for row in rows if row["task"] == "deblurring"
    }
    names = ("doing nothing", "line of pixels", "linear-ae-direct", "multilevel-unet")
    scales = ("field", "stretched")
    assert deblurred == {(s, n, d) for s in scales for n in names for d in ("4", "8", "all")}
    page = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "Steps trained: linear-ae-direct 7, multilevel-unet 7." in page
    assert page.count("| doing nothing |") == 4


def test_tables_of_codes_have_doing_nothing_once(papers, tmp_path) -> None:
    crops = [each.middle(128) for each in fields()]
    _, rows, page = papers("codes_table").deblurring(
        scored(papers, "manifold"), crops, tmp_path, "µm"
    )
    assert page.count("doing nothing") == 1
    assert "| manifold, random donor |" in page
    assert {row[3] for row in rows if row[2] == "deblurring"} == {
        "doing nothing",
        "random in-focus donor",
    }


@pytest.mark.parametrize("page", TABLES, ids=lambda path: path.stem)
def test_tables_show_what_was_measured(page) -> None:
    """Every figure of a table is in the file beside it, as it was measured."""
    cells = {cell for row in read(page.with_suffix(".csv")) for cell in row.values()}
    measured = [float(cell) for cell in cells if re.fullmatch(r"-?\d+\.\d+", cell)]
    shown = [
        cell.strip()
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
        for cell in line.split("|")
    ]
    figures = [cell for cell in shown if re.fullmatch(r"-?\d+\.\d+", cell)]
    assert figures
    for figure in figures:
        digits = len(figure.partition(".")[2])
        assert any(f"{value:.{digits}f}" == figure for value in measured), figure
