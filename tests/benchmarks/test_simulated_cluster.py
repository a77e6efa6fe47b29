"""The simulated cluster against cases that can be worked out by hand."""

import importlib
import math
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("simulate_cluster")
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(("count", "workers"), [(10, 3), (9, 3), (2, 5), (1, 1), (0, 2)])
def test_equal_tasks_without_trouble(cluster, count, workers) -> None:
    found = cluster.simulate([2.0] * count, workers, cluster.Trouble())
    assert found.makespan_s == 2.0 * math.ceil(count / workers)
    assert found.useful_s == found.busy_s == 2.0 * count
    assert (found.repeats, found.copies) == (0, 0)


def test_first_come_first_served(cluster) -> None:
    """Two workers on 3, 1, 1, 4: the second one does both short tasks, and then 4 from 2 to 6."""
    assert cluster.simulate([3.0, 1.0, 1.0, 4.0], 2, cluster.Trouble()).makespan_s == 6.0


def test_a_scheduler_that_hands_out_slowly_is_the_limit(cluster) -> None:
    found = cluster.simulate([1.0] * 100, 50, cluster.Trouble(hand_out_s=0.5))
    assert found.makespan_s == pytest.approx(100 * 0.5 + 1.0)


def test_slow_workers_take_their_time(cluster) -> None:
    trouble = cluster.Trouble(slow_share=1.0, slow_factor=3.0)
    assert cluster.simulate([2.0] * 4, 2, trouble).makespan_s == 12.0
    half = cluster.Trouble(slow_share=0.5, slow_factor=3.0)
    # The fast one does three tasks while the slow one does its only one.
    assert cluster.simulate([2.0] * 4, 2, half).makespan_s == 6.0


def test_a_copy_saves_the_end_from_a_slow_worker(cluster) -> None:
    half = cluster.Trouble(slow_share=0.5, slow_factor=10.0)
    alone = cluster.simulate([2.0] * 3, 2, half)
    copied = cluster.simulate([2.0] * 3, 2, half, copy=True)
    # The fast one is done with two tasks at 4, and with a copy of the third at 6 instead of 20.
    assert (alone.makespan_s, copied.makespan_s) == (20.0, 6.0)
    assert copied.copies == 1
    assert copied.busy_s - copied.useful_s == 6.0


def test_looking_ahead_no_further_than_the_crew_waits_for_the_slowest(cluster) -> None:
    times = [9.0, 1.0, 1.0, 1.0, 1.0]
    free = cluster.simulate(times, 2, cluster.Trouble())
    held = cluster.simulate(times, 2, cluster.Trouble(), ahead=2)
    # Task 2 may begin only when task 0 is done, at 9; then both workers do three more in 2.
    assert (free.makespan_s, held.makespan_s) == (9.0, 11.0)


def test_lost_workers_lose_no_task(cluster) -> None:
    trouble = cluster.Trouble(losses_per_hour=360, restart_s=1.0)
    found = cluster.simulate([2.0] * 200, 5, trouble, seed=3)
    assert found.useful_s == pytest.approx(400.0)
    assert found.repeats > 0
    assert found.busy_s > found.useful_s
    assert found.makespan_s > 80.0
    assert found.utilisation == pytest.approx(400.0 / (5 * found.makespan_s))


def test_the_same_seed_gives_the_same(cluster) -> None:
    trouble = cluster.Trouble(0.2, 3.0, 60.0, 5.0, 0.01)
    found = [cluster.simulate([2.0] * 99, 7, trouble, seed=s, copy=True) for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_measured_times_have_median_one(cluster) -> None:
    shape = cluster.read_shape(cluster.TIMES)
    assert len(shape) >= 50
    assert sorted(shape)[len(shape) // 2] == pytest.approx(1.0, rel=0.02)
    drawn = cluster.draw_tasks(shape, 1000, 60.0, seed=0)
    assert drawn == cluster.draw_tasks(shape, 1000, 60.0, seed=0)
    assert min(shape) * 60 <= min(drawn) <= max(drawn) <= max(shape) * 60
