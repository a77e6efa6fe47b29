"""How benchmarks take time: after a warm-up, in turns, several times, and the median of it all.

Other programs slow all runs of one round alike, so that a ratio within a round says more than two
times that were taken one after the other.
"""

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Repeated times of one thing.

    Parameters
    ----------
    seconds : tuple of float
        By the clock, round by round.
    cpu_seconds : tuple of float
        Processor time of all threads, and of the processes that were started and have ended.
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """Median by the clock."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Median of processor time."""
        return statistics.median(self.cpu_seconds)


@dataclass(frozen=True)
class Ratio:
    """The median of ratios within rounds, and the range of their middle half.

    Parameters
    ----------
    median, low, high : float
        Dimensionless.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write the median, and the range in brackets."""
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def take_turns(
    runs: Mapping[str, Callable[[], object]], *, warm_up: int = 1, repeats: int = 5
) -> dict[str, Timing]:
    """Time several things in turns.

    Parameters
    ----------
    runs : mapping of str to callable
        What is timed, by name; called in this order in each round.
    warm_up : int
        Rounds that are not counted.
    repeats : int
        Rounds that are; at least 1.

    Returns
    -------
    dict of str to Timing
        In the same order.

    Raises
    ------
    ValueError
        If there is nothing to count.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    rounds = [
        {name: time_once(run) for name, run in runs.items()} for _ in range(warm_up + repeats)
    ][warm_up:]
    return {name: Timing(*zip(*(each[name] for each in rounds), strict=True)) for name in runs}


def time_once(run: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock, and of processor time."""
    started, started_cpu = time.perf_counter(), _cpu_seconds()
    run()
    return time.perf_counter() - started, _cpu_seconds() - started_cpu


def compare(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Divide times of the same rounds.

    Parameters
    ----------
    over, under : sequence of float
        As many of each; above 0.

    Returns
    -------
    Ratio
        Of ``over`` to ``under``.
    """
    ratios = np.array(over) / np.array(under)
    low, median, high = (float(value) for value in np.percentile(ratios, [25, 50, 75]))
    return Ratio(median, low, high)


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
