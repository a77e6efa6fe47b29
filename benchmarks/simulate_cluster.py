"""Simulate a scheduler that hands tasks to many workers, some slow and some lost on the way.

Tasks are handed out first come, first served, as Dask does for tasks without dependencies. A task
whose worker is lost goes back to the head of the queue. How long tasks take is drawn from what
`bench_growth.py` has measured, by processor time; how many workers are slow or lost, and how long
handing out takes, are assumptions that options change. Prints what this costs, and what smaller
tasks and second copies of the last tasks would gain; draws makespan against tasks per worker.
"""

import argparse
import csv
import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from results import add_results_option, publish, replace_marked, table

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "scaling.md"
TIMES = DOCS / "results" / "task_times.csv"
PER_WORKER = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Trouble:
    """What keeps a cluster from the ideal.

    Parameters
    ----------
    slow_share : float
        Share of the workers that are slow; 0 to 1.
    slow_factor : float
        How many times as long these take; >= 1.
    losses_per_hour : float
        How often one worker is lost.
    restart_s : float
        Until another one stands in for it; seconds.
    hand_out_s : float
        Time of the scheduler for one task, one after another; seconds.
    """

    slow_share: float = 0.0
    slow_factor: float = 1.0
    losses_per_hour: float = 0.0
    restart_s: float = 0.0
    hand_out_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of all tasks.

    Parameters
    ----------
    makespan_s : float
        Until the last task was done; seconds.
    useful_s, busy_s : float
        Of all workers: on work that counted, and on any; seconds.
    repeats, copies : int
        Tasks that were begun again after a loss, and second copies that were begun.
    workers : int
        How many there were.
    """

    makespan_s: float
    useful_s: float
    busy_s: float
    repeats: int
    copies: int
    workers: int

    @property
    def utilisation(self) -> float:
        """Share of the time of all workers that went into work that counted."""
        return self.useful_s / (self.workers * self.makespan_s)


@dataclass
class Worker:
    """One process: what it does, and how often its plans were changed."""

    slowness: float
    task: int | None = None
    since: float = 0.0
    plan: int = 0


@dataclass
class Cluster:
    """A scheduler with its queue, its workers and what is going to happen.

    Parameters
    ----------
    task_s : sequence of float
        Time of each task on a worker that is not slow; seconds.
    workers : list of Worker
        All.
    trouble : Trouble
        What goes wrong.
    random : Generator
        Source of chance.
    copy : bool
        Whether a worker without work begins the longest running task again.
    ahead : int, optional
        How many tasks may be handed out from the first one on that is not done; any when not
        given.
    """

    task_s: Sequence[float]
    workers: list[Worker]
    trouble: Trouble
    random: np.random.Generator
    copy: bool = False
    ahead: int | None = None
    events: list[tuple[float, int, str, int, int]] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    crews: dict[int, set[int]] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)
    useful_s: float = 0.0
    busy_s: float = 0.0
    repeats: int = 0
    copies: int = 0
    _n_events: int = 0
    _first_open: int = 0
    _desk_free_s: float = 0.0

    def run(self) -> Outcome:
        """Do all tasks."""
        self.queue = deque(range(len(self.task_s)))
        for number in range(len(self.workers)):
            self._arrive(0.0, number)
        now = 0.0
        while len(self.done) < len(self.task_s):
            now, _, what, number, plan = heapq.heappop(self.events)
            if what == "finish" and self.workers[number].plan == plan:
                self._finish(now, number)
            elif what == "lose":
                self._lose(now, number)
            elif what == "arrive":
                self._arrive(now, number)
        for number in range(len(self.workers)):
            self._stop(now, number)
        counts = self.useful_s, self.busy_s, self.repeats, self.copies, len(self.workers)
        return Outcome(now, *counts)

    def _expect(self, when: float, what: str, number: int, plan: int = 0) -> None:
        self._n_events += 1
        heapq.heappush(self.events, (when, self._n_events, what, number, plan))

    def _arrive(self, now: float, number: int) -> None:
        if self.trouble.losses_per_hour:
            life_s = self.random.exponential(3600 / self.trouble.losses_per_hour)
            self._expect(now + life_s, "lose", number)
        self._begin(now, number)

    def _begin(self, now: float, number: int) -> None:
        """Give a worker the next task, or a copy of one, or nothing."""
        task = self.queue.popleft() if self._may_hand_out() else self._task_to_copy(now)
        if task is None:
            self.idle.add(number)
            return
        self.idle.discard(number)
        self._desk_free_s = max(self._desk_free_s, now) + self.trouble.hand_out_s
        worker = self.workers[number]
        worker.task, worker.since = task, self._desk_free_s
        self.crews.setdefault(task, set()).add(number)
        end = worker.since + self.task_s[task] * worker.slowness
        self._expect(end, "finish", number, worker.plan)

    def _may_hand_out(self) -> bool:
        """Tell whether there is a task, and it is not too far ahead of the first open one."""
        if not self.queue:
            return False
        return self.ahead is None or self.queue[0] < self._first_open + self.ahead

    def _wake(self, now: float) -> None:
        """Give tasks to workers without work, as long as there are both."""
        while self.idle and self._may_hand_out():
            self._begin(now, min(self.idle))

    def _task_to_copy(self, now: float) -> int | None:
        """Find the task that runs longest, of those that run once."""
        if not self.copy:
            return None
        alone = [next(iter(crew)) for crew in self.crews.values() if len(crew) == 1]
        begun = [number for number in alone if self.workers[number].since < now]
        if not begun:
            return None
        self.copies += 1
        return self.workers[min(begun, key=lambda number: self.workers[number].since)].task

    def _finish(self, now: float, number: int) -> None:
        """Count a task, stop other copies of it, and go on."""
        task = self.workers[number].task
        assert task is not None
        self.done.add(task)
        self.useful_s += now - self.workers[number].since
        crew = sorted(self.crews[task])
        for each in crew:
            self._stop(now, each)
        while self._first_open in self.done:
            self._first_open += 1
        for each in crew:
            self._begin(now, each)
        self._wake(now)

    def _stop(self, now: float, number: int) -> None:
        """Take a worker off its task, if it has one; what was planned for it is void."""
        worker = self.workers[number]
        if worker.task is not None:
            self.busy_s += max(now - worker.since, 0.0)
            self.crews[worker.task].discard(number)
            if not self.crews[worker.task]:
                del self.crews[worker.task]
        worker.task = None
        worker.plan += 1

    def _lose(self, now: float, number: int) -> None:
        """Lose a worker: its task goes back, and somebody without work takes it."""
        task = self.workers[number].task
        self._stop(now, number)
        self.idle.discard(number)
        self._expect(now + self.trouble.restart_s, "arrive", number)
        if task is None or task in self.crews:
            return
        self.repeats += 1
        self.queue.appendleft(task)
        self._wake(now)


def simulate(
    task_s: Sequence[float],
    workers: int,
    trouble: Trouble,
    *,
    seed: int = 0,
    copy: bool = False,
    ahead: int | None = None,
) -> Outcome:
    """Do tasks on a cluster.

    Parameters
    ----------
    task_s : sequence of float
        Seconds of each task on a worker that is not slow.
    workers : int
        How many; at least 1.
    trouble : Trouble
        What goes wrong.
    seed : int
        Of the chances.
    copy : bool
        Whether the last tasks are begun a second time by workers without work.
    ahead : int, optional
        How far ahead of the first open task the scheduler hands out; any distance when not given.

    Returns
    -------
    Outcome
        The same for the same seed.
    """
    random = np.random.default_rng(seed)
    slow = random.permutation(workers) < round(trouble.slow_share * workers)
    crew = [Worker(trouble.slow_factor if each else 1.0) for each in slow]
    return Cluster(task_s, crew, trouble, random, copy, ahead).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--task-s", type=float, default=60.0, help="median seconds of a task")
    parser.add_argument("--slow-share", type=float, default=0.02, help="workers that are slow")
    parser.add_argument("--slow-factor", type=float, default=3.0, help="times as long they take")
    parser.add_argument("--losses-per-hour", type=float, default=0.02, help="of one worker")
    parser.add_argument("--restart-s", type=float, default=120.0, help="until it is replaced")
    parser.add_argument("--hand-out-ms", type=float, default=1.0, help="scheduler's time per task")
    parser.add_argument("--times", type=Path, default=TIMES, help="measured times, CSV")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=DOCS / "images" / "cluster.svg")
    parser.add_argument("--page", type=Path, nargs="?", const=PAGE, help="page to change as well")
    add_results_option(parser)
    options = parser.parse_args()
    shape = read_shape(options.times)
    trouble = Trouble(
        options.slow_share,
        options.slow_factor,
        options.losses_per_hour,
        options.restart_s,
        options.hand_out_ms / 1000,
    )
    rows, figures = [], {}
    for name, outcome, ideal_s in scenarios(options, shape, trouble):
        rows.append(describe(name, outcome, ideal_s))
        figures[f"{name}: makespan over ideal"] = outcome.makespan_s / ideal_s
    draw(options.plot, options, shape, trouble)
    head = ("cluster", "makespan, min", "over ideal", "useful", "begun again", "copies")
    lines = table(head, rows)
    publish(options.results, "Cluster, simulated", command(options), lines, figures)
    if options.page is not None:
        page = options.page.read_text(encoding="utf-8")
        page = replace_marked(page, Path(__file__).name, lines)
        options.page.write_text(page, encoding="utf-8")


def command(options: argparse.Namespace) -> str:
    """Write down what was asked for."""
    return (
        f"python benchmarks/simulate_cluster.py --workers {options.workers} --tasks "
        f"{options.tasks} --task-s {options.task_s:g} --seed {options.seed}"
    )


def read_shape(path: Path) -> npt.NDArray[np.float64]:
    """Read measured times of equal tasks, in units of their median."""
    with path.open(newline="", encoding="utf-8") as file:
        seconds = np.array([float(row["cpu_seconds"]) for row in csv.DictReader(file)])
    return seconds / np.median(seconds)


def draw_tasks(shape: npt.NDArray[np.float64], count: int, task_s: float, seed: int) -> list[float]:
    """Draw seconds of tasks from the measured ones."""
    return list(task_s * np.random.default_rng(seed).choice(shape, count))


def scenarios(
    options: argparse.Namespace, shape: npt.NDArray[np.float64], trouble: Trouble
) -> Iterator[tuple[str, Outcome, float]]:
    """Simulate the same work with more and more trouble, then with remedies."""
    workers, seed = options.workers, options.seed
    tasks = draw_tasks(shape, options.tasks, options.task_s, seed)
    quarters = [each / 4 for each in tasks for _ in range(4)]
    ideal_s = sum(tasks) / workers
    slow = replace(trouble, losses_per_hour=0.0)
    lost = replace(trouble, slow_share=0.0)
    equal = [ideal_s * workers / len(tasks)] * len(tasks)
    for name, seconds, wrong in (
        ("equal tasks, no trouble", equal, Trouble()),
        ("measured times, handed out one by one", tasks, replace(slow, slow_share=0.0)),
        ("and slow workers", tasks, slow),
        ("or lost workers", tasks, lost),
        ("both", tasks, trouble),
        ("both, tasks of a quarter", quarters, trouble),
    ):
        yield name, simulate(seconds, workers, wrong, seed=seed), ideal_s
    for name, seconds in (("both, last tasks copied", tasks), ("quarters and copies", quarters)):
        yield name, simulate(seconds, workers, trouble, seed=seed, copy=True), ideal_s
    for times in (1, 2, 4):
        ahead = times * workers
        found = simulate(tasks, workers, trouble, seed=seed, ahead=ahead)
        yield f"both, at most {ahead} tasks ahead of the first open one", found, ideal_s


def describe(name: str, outcome: Outcome, ideal_s: float) -> list[str]:
    """Write one row of the table."""
    return [
        name,
        f"{outcome.makespan_s / 60:.1f}",
        f"{outcome.makespan_s / ideal_s:.3f}",
        f"{outcome.utilisation:.1%}",
        str(outcome.repeats),
        str(outcome.copies),
    ]


def draw(
    path: Path,
    options: argparse.Namespace,
    shape: npt.NDArray[np.float64],
    trouble: Trouble,
) -> None:
    """Draw makespan over the ideal against the number of tasks that the same work is cut into."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "cluster"
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullLocator

    total_s = options.tasks * options.task_s
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for copy, label in ((False, "each task once"), (True, "last tasks copied")):
        ratios = []
        for per_worker in PER_WORKER:
            count = per_worker * options.workers
            tasks = draw_tasks(shape, count, total_s / count, options.seed)
            outcome = simulate(tasks, options.workers, trouble, seed=options.seed, copy=copy)
            ratios.append(outcome.makespan_s * options.workers / sum(tasks))
        axes.semilogx(PER_WORKER, ratios, "o-", label=label)
    axes.set_xticks(PER_WORKER, [str(each) for each in PER_WORKER])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="tasks per worker, the same work in all",
        ylabel="makespan over ideal",
        title=f"{options.workers} workers, {options.slow_share:.0%} of them slow, some lost",
    )
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
