"""How benchmarks take time, and where they put what they found."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_turns_are_taken_and_the_warm_up_is_not_counted(bench) -> None:
    calls: list[str] = []
    runs = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    timed = bench("timing").take_turns(runs, warm_up=1, repeats=2)
    assert calls == ["a", "b"] * 3
    assert list(timed) == ["a", "b"]
    assert len(timed["a"].seconds) == len(timed["b"].cpu_seconds) == 2


def test_nothing_to_count_is_an_error(bench) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bench("timing").take_turns({"a": int}, repeats=0)


def test_medians_and_ratios_are_those_of_rounds(bench) -> None:
    timing = bench("timing")
    assert timing.Timing((1.0, 9.0, 2.0), (3.0, 4.0, 5.0)).median_s == 2.0
    ratio = timing.compare((2.0, 6.0, 40.0), (1.0, 2.0, 4.0))
    assert (ratio.low, ratio.median, ratio.high) == (2.5, 3.0, 6.5)
    assert str(ratio) == "3.00 (2.50 to 6.50)"


def test_a_section_is_replaced_and_the_others_are_kept(bench, tmp_path) -> None:
    results = bench("results")
    page = tmp_path / "RESULTS.md"
    results.publish(page, "One", "python one.py", ["| a |"], {"ratio": 1.0})
    results.publish(page, "Two", "python two.py", ["found 2"], {"ratio": 2.0})
    before = page.read_text()
    results.publish(page, "One", "python one.py", ["| a |"], {"ratio": 1.5})
    assert page.read_text().split("load")[0] == before.split("load")[0]
    assert before.startswith("# Measured")
    assert before.count("## One") == 1
    assert before.index("## One") < before.index("found 2")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["One"]["figures"] == {"ratio": 1.5}
    assert figures["Two"]["figures"] == {"ratio": 2.0}


def test_a_machine_is_described_without_its_name(bench) -> None:
    import platform

    text = bench("results").describe_machine()
    assert all(word in text for word in ("cores", "GiB of memory", "torch"))
    assert not platform.node() or platform.node() not in text


def test_growth_knows_a_straight_line(bench) -> None:
    growth = bench("bench_growth")
    assert growth.geometric(1, 100, 4) == [1, 4, 16, 64, 100]
    assert growth.geometric(1, 1, 4) == [1]
    linear = [growth.Measured("pixels", x, 1, 9.0, 0.5 * x, 100.0) for x in (1.0, 4.0, 16.0)]
    assert growth.exponent([1.0, 4.0, 16.0], linear) == pytest.approx(1.0)
    lines, figures = growth.describe([*linear, growth.Measured("files", 3.0, 3, 1.0, 1.0, 90.0)])
    assert figures["peak over smallest peak"] == 1.0
    assert "1.00 of the pixels" in lines[-1]


@pytest.fixture
def assignment(bench, tmp_path):
    """Something to do for peers that do not look at it."""
    image = tmp_path / "in.npy"
    return bench("network_peers").Assignment(tmp_path / "weights", image, "fp32", "cpu", tmp_path)


def test_missing_peers_are_no_failure(bench, assignment, tmp_path) -> None:
    peers = bench("network_peers")
    with peers.start_peers(None, assignment) as (found, notes):
        assert not found
    assert notes == [
        f"{name} was not measured: no --peer-python was given." for name in ("MONAI", "CAREamics")
    ]
    assert "No such file" in peers.why_missing("MONAI", tmp_path / "python")
    # The tests' own environment has no CAREamics; that is the point of one for the peers.
    reason = peers.why_missing("CAREamics", Path(sys.executable))
    assert reason in {None, "its environment has no careamics"}


def test_peers_that_break_are_left_out_and_others_are_timed(
    bench, assignment, tmp_path, monkeypatch
) -> None:
    peers = bench("network_peers")
    (tmp_path / "good.py").write_text(
        "import sys\nprint('Good 1', flush=True)\nfor _ in sys.stdin: print(2, 3, flush=True)\n"
    )
    (tmp_path / "bad.py").write_text("print('Bad 1', flush=True)\nraise SystemExit(5)\n")
    monkeypatch.setattr(peers, "HERE", tmp_path)
    monkeypatch.setattr(peers, "SCRIPTS", {"Good": "good.py", "Bad": "bad.py"})
    monkeypatch.setattr(peers, "PACKAGES", {"Good": "json", "Bad": "json"})
    with peers.start_peers(Path(sys.executable), assignment) as (found, notes):
        assert list(found) == ["Good"]
        assert found["Good"].run() == (2.0, 3.0)
    assert notes[0] == "Good 1."
    assert notes[1] == "Bad was not measured: it ended with exit status 5."


def test_figures_of_the_fastest_runtime_have_plain_names_too(bench) -> None:
    network = bench("bench_network")
    way = network.own_way(network.BARE, "openvino")
    assert network.names_of_figures(way, "openvino") == ["bare network, OpenVINO", "bare network"]
    assert network.names_of_figures(way, "torch") == ["bare network, OpenVINO"]
