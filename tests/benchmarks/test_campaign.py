"""The estimate of a campaign against sums by hand, and the page against the commands."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def measured(bench):
    return bench("estimate_campaign").Measured(
        network=0.5,
        codec=8.0,
        tiff=10.0,
        gflop=1000.0,
        side=2048.0,
        bytes_per_pixel=1.25,
        gpu_network=None,
    )


def test_cores_do_both_and_a_gpu_leaves_the_codec_to_them(bench, measured) -> None:
    estimate = bench("estimate_campaign")
    assumed = estimate.Assumptions(cpu_cores=10, gpu_cores=4, gpu_tflops=100, node_gbit_s=10)
    cpu, gpu = estimate.make_nodes(measured, assumed)
    assert cpu.rate == pytest.approx(1 / (1 / 5 + 1 / 80))
    assert cpu.limit == "network"
    # 100 TFLOP/s over 1 TFLOP per megapixel; four cores code 32; 10 Gbit/s over 20 bits a pixel.
    assert (gpu.network, gpu.codec, gpu.wire) == pytest.approx((100, 32, 500))
    assert (gpu.rate, gpu.limit) == (32, "codec")


def test_a_slow_wire_is_the_limit(bench, measured) -> None:
    estimate = bench("estimate_campaign")
    nodes = estimate.make_nodes(measured, estimate.Assumptions(node_gbit_s=0.02))
    assert [node.rate for node in nodes] == pytest.approx([1.0, 1.0])
    assert [node.limit for node in nodes] == ["wire", "wire"]


def test_a_measured_gpu_replaces_the_assumption(bench, measured) -> None:
    estimate = bench("estimate_campaign")
    known = estimate.Measured(**{**vars(measured), "gpu_network": 7.0})
    assert estimate.make_nodes(known, estimate.Assumptions())[1].network == 7.0
    assert "--gpu-tflops" not in "\n".join(estimate.assumed_table(estimate.Assumptions(), known))


def test_storage_is_pixels_times_bytes(bench, measured) -> None:
    estimate = bench("estimate_campaign")
    lines = estimate.storage_table(measured, estimate.Assumptions(pixels=1e14, field_mpx=25))
    assert "| input, and output again, TB each | 125 |" in lines
    assert "| tasks, millions | 4.0 |" in lines


def test_the_page_shows_what_the_commands_make(bench) -> None:
    estimate, results = bench("estimate_campaign"), bench("results")
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    lines = estimate.estimate(
        estimate.read_figures(BENCHMARKS / results.FIGURES), estimate.Assumptions()
    )
    assert results.replace_marked(page, "estimate_campaign.py", lines) == page
    measured = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    simulated = page.partition("<!-- simulate_cluster.py: begin -->")[2].partition("<!--")[0]
    assert simulated.strip()
    assert simulated.strip() in measured


def test_a_page_without_marks_is_an_error(bench) -> None:
    with pytest.raises(ValueError, match=r"no marks for what estimate_campaign\.py makes"):
        bench("results").replace_marked("# Page", "estimate_campaign.py", [])
