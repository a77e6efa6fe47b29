"""The figures on the results page are those that the benchmark wrote."""

import csv
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def rows() -> list[dict[str, str]]:
    with (DOCS / "results" / "held_out_fields.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_line(row: dict[str, str]) -> str:
    figures = (
        f"{float(row['psnr_db']):.2f} | {float(row['gain_db']):+.2f} | "
        f"{float(row['ssim']):.4f} | {float(row['band_coherence']):.3f}"
    )
    return f"| {row['dz_um']} | {row['method']} | {figures} |"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['dz_um']}-{row['method']}")
def test_table_is_what_was_measured(row: dict[str, str]) -> None:
    assert table_line(row) in (DOCS / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("trust_map.csv", ["docs/trust.md"]),
        ("trust_map_latent_line.csv", ["docs/trust.md"]),
        ("touching_nuclei.csv", ["docs/trust.md"]),
        ("refocus.csv", ["docs/results.md", "weights/refocus.md"]),
    ],
)
def test_other_tables_are_what_was_measured(name: str, pages: list[str]) -> None:
    path = DOCS / "results" / name
    with path.open(newline="", encoding="utf-8") as file:
        lines = [f"| {' | '.join(row.values())} |" for row in csv.DictReader(file)]
    assert lines
    for page in pages:
        text = (DOCS.parent / page).read_text(encoding="utf-8")
        assert not [line for line in lines if line not in text]
